import { MalformedMessageError } from '../base/errors.ts';
import type { NodeId } from '../base/node-id.ts';
import { WILDCARD_NODE_ID } from '../overlay/constants.ts';
import {
  contentsOf,
  DEFAULT_INITIAL_TTL,
  decodeMessage,
  EMPTY_SIGNATURE,
  encodeMessage,
  overlayField,
  WHOLE_MESSAGE_FRAGMENT,
  type DataModelOf,
  type ExperimentalBody,
} from '../reload/index.ts';

/*
 * Enrollment (RFC 6940 s11.3 leaves it to HTTPS) goes over the guest's link, as the experimental request of RELOAD: no host
 * needs a web server. The link's handshake proves the guest's key, so the messages carry no signature of their own. The
 * destination is the inviter that is to answer, whoever is at the other end of the link.
 */

const NO_KINDS: DataModelOf = () => undefined;

interface Exchange {
  readonly overlay: string;
  readonly transactionId: bigint;
  /** The wildcard Node-ID: any inviter. */
  readonly to: NodeId;
}

export function encodeEnrollmentExchange(
  type: ExperimentalBody['type'],
  bytes: Uint8Array,
  { overlay, transactionId, to }: Exchange,
): Uint8Array {
  return encodeMessage({
    header: {
      overlay: overlayField(overlay),
      configurationSequence: 0,
      ttl: DEFAULT_INITIAL_TTL,
      fragment: WHOLE_MESSAGE_FRAGMENT,
      transactionId,
      maxResponseLength: 0,
      viaList: [],
      destinationList: [{ type: 'node', nodeId: to }],
      options: [],
    },
    contents: contentsOf({ type, bytes }),
    security: { certificates: [], signature: EMPTY_SIGNATURE },
  });
}

/** @returns undefined when the message is malformed or another one; `to` is undefined for any inviter. */
export function decodeEnrollmentExchange(
  type: ExperimentalBody['type'],
  message: Uint8Array,
): { readonly bytes: Uint8Array; readonly transactionId: bigint; readonly to: NodeId | undefined } | undefined {
  try {
    const { header, contents } = decodeMessage(message, { dataModelOf: NO_KINDS });
    if (contents.body.type !== type || !('bytes' in contents.body)) return undefined;
    const [destination] = header.destinationList;
    const nodeId = destination?.type === 'node' ? destination.nodeId : WILDCARD_NODE_ID;
    const to = nodeId === WILDCARD_NODE_ID ? undefined : nodeId;
    return { bytes: contents.body.bytes, transactionId: header.transactionId, to };
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}
