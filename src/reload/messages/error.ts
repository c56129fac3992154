import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { MAX_KINDS } from '../constants.ts';
import { readList, readOpaque, writeList, writeOpaque, writeU16, writeU32 } from '../wire.ts';
import { decodeStoreAnswer, encodeStoreAnswer } from './store.ts';
import type { StoreKindResponse } from './store.ts';

/** `struct { uint16 error_code; opaque error_info<0..2^16-1>; } ErrorResponse;` (RFC 6940 s6.3.3.1). */
export interface ErrorResponse {
  readonly type: 'error';
  /** ERROR_CODES. */
  readonly code: number;
  /** UTF-8 text, except where the error says otherwise. */
  readonly info: Uint8Array;
}

export function encodeErrorResponse(writer: ByteWriter, body: ErrorResponse): void {
  writeU16(writer, body.code);
  writeOpaque(writer, 2, body.info);
}

export function decodeErrorResponse(reader: ByteReader): ErrorResponse {
  return { type: 'error', code: reader.u16(), info: readOpaque(reader, 2) };
}

/** The error_info of Error_Unknown_Kind (RFC 6940 s7.4.1.2): `KindId unknown_kinds<0..2^8-1>`. */
export function encodeUnknownKinds(kinds: readonly number[]): Uint8Array {
  const writer = new ByteWriter();
  writeList(writer, 1, kinds, writeU32);
  return writer.finish();
}

/** @throws {MalformedMessageError} with offsets from the start of the error_info. */
export function decodeUnknownKinds(info: Uint8Array): number[] {
  const reader = new ByteReader(info);
  const kinds = readList(reader.vector(1), MAX_KINDS, (list) => list.u32());
  reader.end();
  return kinds;
}

/** The error_info of Error_Generation_Counter_Too_Low (RFC 6940 s7.4.1.2): a StoreAns. */
export function encodeGenerationCounters(kindResponses: readonly StoreKindResponse[]): Uint8Array {
  const writer = new ByteWriter();
  encodeStoreAnswer(writer, { type: 'store_ans', kindResponses });
  return writer.finish();
}

/** @throws {MalformedMessageError} with offsets from the start of the error_info. */
export function decodeGenerationCounters(info: Uint8Array): readonly StoreKindResponse[] {
  const reader = new ByteReader(info);
  const { kindResponses } = decodeStoreAnswer(reader);
  reader.end();
  return kindResponses;
}
