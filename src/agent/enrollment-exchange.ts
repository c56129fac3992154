import { MalformedMessageError } from '../base/errors.ts';
import type { NodeId } from '../base/node-id.ts';
import { outcomeOf, type EnrollmentServer } from '../identity/enrollment.ts';
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

/**
 * Enrollment (RFC 6940 s11.3 leaves it to HTTPS) goes over the newcomer's link, as the experimental request of RELOAD: no host
 * needs a web server. The link's handshake proves the newcomer's key, so the messages carry no signature of their own.
 */
const NO_KINDS: DataModelOf = () => undefined;

interface Exchange {
  readonly overlay: string;
  readonly transactionId: bigint;
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

/** @returns the body and the transaction, or undefined when the message is malformed or another one. */
export function decodeEnrollmentExchange(
  type: ExperimentalBody['type'],
  message: Uint8Array,
): { readonly bytes: Uint8Array; readonly transactionId: bigint } | undefined {
  try {
    const { header, contents } = decodeMessage(message, { dataModelOf: NO_KINDS });
    if (contents.body.type !== type || !('bytes' in contents.body)) return undefined;
    return { bytes: contents.body.bytes, transactionId: header.transactionId };
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/**
 * What a member with the authority's key answers a newcomer.
 * @param newcomer the HIT and the DER SubjectPublicKeyInfo that its link proved.
 * @returns undefined for anything but an enrollment request.
 */
export function answerEnrollment(
  server: EnrollmentServer,
  overlay: string,
  newcomer: { readonly hit: NodeId; readonly spki: Uint8Array },
  message: Uint8Array,
  wallNow: number,
): { readonly message: Uint8Array; readonly admitted: boolean; readonly reason?: string } | undefined {
  const request = decodeEnrollmentExchange('exp_a_req', message);
  if (request === undefined) return undefined;
  const answer = server.handle({ bytes: request.bytes, spki: newcomer.spki }, wallNow);
  const { transactionId } = request;
  const to = newcomer.hit;
  return {
    message: encodeEnrollmentExchange('exp_a_ans', answer, { overlay, transactionId, to }),
    ...outcomeOf(answer),
  };
}
