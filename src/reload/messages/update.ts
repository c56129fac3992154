import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { NodeId } from '../../base/node-id.ts';
import { malformed, readNodeIds, writeNodeIds, writeU32 } from '../wire.ts';

/**
 * RFC 6940 s10.7.
 *
 * ```
 * struct {
 *   uint32 uptime;  ChordUpdateType type;
 *   select (type) {
 *     case peer_ready: ;
 *     case neighbors:  NodeId predecessors<0..2^16-1>;  NodeId successors<0..2^16-1>;
 *     case full:       NodeId predecessors<0..2^16-1>;  NodeId successors<0..2^16-1>;  NodeId fingers<0..2^16-1>;
 *   };
 * } ChordUpdate;
 * ```
 */
export type ChordUpdate = { /** Seconds. */ readonly uptime: number } & (
  | { readonly type: 'peer_ready' }
  | { readonly type: 'neighbors'; readonly predecessors: readonly NodeId[]; readonly successors: readonly NodeId[] }
  | {
      readonly type: 'full';
      readonly predecessors: readonly NodeId[];
      readonly successors: readonly NodeId[];
      /** In numerically ascending order. */
      readonly fingers: readonly NodeId[];
    }
);

/** RFC 6940 s6.4.2.3: the contents are the overlay algorithm's, here CHORD-RELOAD's. */
export interface UpdateRequest {
  readonly type: 'update_req';
  readonly update: ChordUpdate;
}

/** RFC 6940 s6.4.2.3: success has nothing to tell. */
export interface UpdateAnswer {
  readonly type: 'update_ans';
}

const CHORD_UPDATE_TYPES = { peer_ready: 1, neighbors: 2, full: 3 } as const;

export function encodeUpdateRequest(writer: ByteWriter, { update }: UpdateRequest): void {
  writeU32(writer, update.uptime);
  writer.u8(CHORD_UPDATE_TYPES[update.type]);
  if (update.type === 'peer_ready') return;
  writeNodeIds(writer, update.predecessors);
  writeNodeIds(writer, update.successors);
  if (update.type === 'full') writeNodeIds(writer, update.fingers);
}

export function decodeUpdateRequest(reader: ByteReader): UpdateRequest {
  return { type: 'update_req', update: readUpdate(reader) };
}

function readUpdate(reader: ByteReader): ChordUpdate {
  const uptime = reader.u32();
  const at = reader.offset;
  const code = reader.u8();
  switch (code) {
    case CHORD_UPDATE_TYPES.peer_ready:
      return { type: 'peer_ready', uptime };
    case CHORD_UPDATE_TYPES.neighbors:
      return { type: 'neighbors', uptime, predecessors: readNodeIds(reader), successors: readNodeIds(reader) };
    case CHORD_UPDATE_TYPES.full:
      return {
        type: 'full',
        uptime,
        predecessors: readNodeIds(reader),
        successors: readNodeIds(reader),
        fingers: readNodeIds(reader),
      };
    default:
      return malformed(at, `ChordUpdateType ${code} is not known`);
  }
}
