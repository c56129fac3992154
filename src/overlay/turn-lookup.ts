import { toHex } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Hit, ResourceId } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { decodeTurnServer, type TurnServer } from '../reload/index.ts';
import type { OverlayNode } from './overlay-node.ts';
import { toResource } from './requester.ts';
import { TURN_SERVICE } from './storage/kinds.ts';
import type { FetchedValue } from './storage/storage-client.ts';
import { turnServiceResource } from './turn-records.ts';

/** 128 bits. */
const ID_BYTES = 16;

/** A member that says it is a TURN server, and where. That it may say anything is for the reader to bear in mind. */
export interface FoundTurnServer {
  readonly hit: Hit;
  readonly address: SocketAddress;
}

/**
 * Asks a random peer for a TURN server that it knows of (RFC 6940 s9: Find at a random Resource-ID, then Fetch).
 * @param done undefined: it knows of none, or does not answer. Never called in the call.
 */
export function lookUpTurnServer(
  overlay: Pick<OverlayNode, 'settings' | 'requester' | 'fetch'>,
  random: Random,
  now: number,
  done: (found: FoundTurnServer | undefined, now: number) => void,
): void {
  const { ring } = overlay.settings;
  const digits = toHex(random.bytes(ID_BYTES)).slice(ring.prefix.length);
  const body = { type: 'find_req' as const, resource: ring.prefix + digits, kinds: [TURN_SERVICE.id] };
  overlay.requester.request({ destination: [toResource(body.resource)], body }, now, (result, at) => {
    const results = result.ok && result.body.type === 'find_ans' ? result.body.results : [];
    const resource = results.find(({ kind }) => kind === TURN_SERVICE.id)?.closest;
    if (resource === undefined || !ring.contains(resource)) {
      done(undefined, at);
      return;
    }
    overlay.fetch({ resource, kind: TURN_SERVICE.id }, at, (fetched, later) => {
      const values = fetched.ok ? fetched.values : [];
      done(
        values.map((value) => read(value, resource, overlay)).find((found) => found !== undefined),
        later,
      );
    });
  });
}

/** The writer may write at each of its places; the record has to be the one of this place. */
function read(
  { value, signer }: FetchedValue,
  resource: ResourceId,
  { settings: { ring } }: Pick<OverlayNode, 'settings'>,
): FoundTurnServer | undefined {
  const server = decoded(value.value);
  if (server === undefined || server.address.port === 0) return undefined;
  if (turnServiceResource(ring, signer.nodeId, server.iteration) !== resource) return undefined;
  return { hit: signer.nodeId, address: server.address };
}

function decoded(bytes: Uint8Array): TurnServer | undefined {
  try {
    return decodeTurnServer(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}
