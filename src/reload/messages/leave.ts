import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { NodeId } from '../../base/node-id.ts';
import { malformed, readNodeId, readNodeIds, writeNodeId, writeNodeIds } from '../wire.ts';

/**
 * RFC 6940 s10.9: which neighbour of the recipient leaves, and that neighbour's list.
 *
 * ```
 * struct {
 *   ChordLeaveType type;
 *   select (type) {
 *     case from_succ: NodeId successors<0..2^16-1>;
 *     case from_pred: NodeId predecessors<0..2^16-1>;
 *   };
 * } ChordLeaveData;
 * ```
 */
export type ChordLeaveData =
  | { readonly type: 'from_succ'; readonly successors: readonly NodeId[] }
  | { readonly type: 'from_pred'; readonly predecessors: readonly NodeId[] };

/** `struct { NodeId leaving_peer_id; opaque overlay_specific_data<0..2^16-1>; } LeaveReq;` (RFC 6940 s6.4.2.2). */
export interface LeaveRequest {
  readonly type: 'leave_req';
  readonly leavingPeerId: NodeId;
  /** The overlay_specific_data of CHORD-RELOAD; absent when it has no bytes. */
  readonly leaveData?: ChordLeaveData;
}

/** RFC 6940 s6.4.2.2: "LeaveAns is an empty message." */
export interface LeaveAnswer {
  readonly type: 'leave_ans';
}

const FROM_SUCC = 1;
const FROM_PRED = 2;

export function encodeLeaveRequest(writer: ByteWriter, { leavingPeerId, leaveData }: LeaveRequest): void {
  writeNodeId(writer, leavingPeerId);
  writer.vector(2, () => {
    if (leaveData === undefined) return;
    writer.u8(leaveData.type === 'from_succ' ? FROM_SUCC : FROM_PRED);
    writeNodeIds(writer, leaveData.type === 'from_succ' ? leaveData.successors : leaveData.predecessors);
  });
}

export function decodeLeaveRequest(reader: ByteReader): LeaveRequest {
  const leavingPeerId = readNodeId(reader);
  const content = reader.vector(2);
  if (content.remaining === 0) return { type: 'leave_req', leavingPeerId };
  const leaveData = readLeaveData(content);
  content.end();
  return { type: 'leave_req', leavingPeerId, leaveData };
}

function readLeaveData(reader: ByteReader): ChordLeaveData {
  const at = reader.offset;
  const code = reader.u8();
  switch (code) {
    case FROM_SUCC:
      return { type: 'from_succ', successors: readNodeIds(reader) };
    case FROM_PRED:
      return { type: 'from_pred', predecessors: readNodeIds(reader) };
    default:
      return malformed(at, `ChordLeaveType ${code} is not known`);
  }
}
