import type { NodeId } from '../../base/node-id.ts';

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
