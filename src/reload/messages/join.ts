import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { NodeId } from '../../base/node-id.ts';
import { readNodeId, readOpaque, writeNodeId, writeOpaque } from '../wire.ts';

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

export function encodeJoinRequest(writer: ByteWriter, body: JoinRequest): void {
  writeNodeId(writer, body.joiningPeerId);
  writeOpaque(writer, 2, body.overlaySpecificData);
}

export function decodeJoinRequest(reader: ByteReader): JoinRequest {
  return { type: 'join_req', joiningPeerId: readNodeId(reader), overlaySpecificData: readOpaque(reader, 2) };
}

export function encodeJoinAnswer(writer: ByteWriter, body: JoinAnswer): void {
  writeOpaque(writer, 2, body.overlaySpecificData);
}

export function decodeJoinAnswer(reader: ByteReader): JoinAnswer {
  return { type: 'join_ans', overlaySpecificData: readOpaque(reader, 2) };
}
