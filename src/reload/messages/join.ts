import type { NodeId } from '../../base/node-id.ts';

/** `struct { NodeId joining_peer_id; opaque overlay_specific_data<0..2^16-1>; } JoinReq;` (RFC 6940 s6.4.2.1). */
export interface JoinRequest {
  readonly type: 'join_req';
  readonly joiningPeerId: NodeId;
  readonly overlaySpecificData: Uint8Array;
}

/** `struct { opaque overlay_specific_data<0..2^16-1>; } JoinAns;` (RFC 6940 s6.4.2.1). */
export interface JoinAnswer {
  readonly type: 'join_ans';
  readonly overlaySpecificData: Uint8Array;
}
