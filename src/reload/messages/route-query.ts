import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { NodeId } from '../../base/node-id.ts';
import { decodeDestination, encodeDestination } from '../destination.ts';
import type { Destination } from '../destination.ts';
import { readBoolean, readNodeId, readOpaque, writeBoolean, writeNodeId, writeOpaque } from '../wire.ts';

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

export function encodeRouteQueryRequest(writer: ByteWriter, body: RouteQueryRequest): void {
  writeBoolean(writer, body.sendUpdate);
  encodeDestination(writer, body.destination);
  writeOpaque(writer, 2, body.overlaySpecificData);
}

export function decodeRouteQueryRequest(reader: ByteReader): RouteQueryRequest {
  return {
    type: 'route_query_req',
    sendUpdate: readBoolean(reader),
    destination: decodeDestination(reader),
    overlaySpecificData: readOpaque(reader, 2),
  };
}

export function encodeRouteQueryAnswer(writer: ByteWriter, body: RouteQueryAnswer): void {
  writeNodeId(writer, body.nextPeer);
}

export function decodeRouteQueryAnswer(reader: ByteReader): RouteQueryAnswer {
  return { type: 'route_query_ans', nextPeer: readNodeId(reader) };
}
