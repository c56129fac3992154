import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { readOpaque, writeOpaque, writeU64 } from '../wire.ts';

/** `struct { opaque padding<0..2^16-1>; } PingReq;` (RFC 6940 s6.5.3.1). */
export interface PingRequest {
  readonly type: 'ping_req';
  readonly padding: Uint8Array;
}

/** `struct { uint64 response_id; uint64 time; } PingAns;` (RFC 6940 s6.5.3.2). */
export interface PingAnswer {
  readonly type: 'ping_ans';
  readonly responseId: bigint;
  /** Milliseconds since the epoch. */
  readonly time: bigint;
}

export function encodePingRequest(writer: ByteWriter, body: PingRequest): void {
  writeOpaque(writer, 2, body.padding);
}

export function decodePingRequest(reader: ByteReader): PingRequest {
  return { type: 'ping_req', padding: readOpaque(reader, 2) };
}

export function encodePingAnswer(writer: ByteWriter, body: PingAnswer): void {
  writeU64(writer, body.responseId);
  writeU64(writer, body.time);
}

export function decodePingAnswer(reader: ByteReader): PingAnswer {
  return { type: 'ping_ans', responseId: reader.u64(), time: reader.u64() };
}
