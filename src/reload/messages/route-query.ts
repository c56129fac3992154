import type { NodeId } from '../../base/node-id.ts';
import type { Destination } from '../destination.ts';

/** `struct { Boolean send_update; Destination destination; opaque overlay_specific_data<0..2^16-1>; } RouteQueryReq;` (RFC 6940 s6.4.2.4.1). */
export interface RouteQueryRequest {
  readonly type: 'route_query_req';
  readonly sendUpdate: boolean;
  readonly destination: Destination;
  readonly overlaySpecificData: Uint8Array;
}

/** `struct { NodeId next_peer; } ChordRouteQueryAns;` (RFC 6940 s10.8). */
export interface RouteQueryAnswer {
  readonly type: 'route_query_ans';
  readonly nextPeer: NodeId;
}
