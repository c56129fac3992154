import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { ResourceId } from '../../base/node-id.ts';
import { MAX_KINDS } from '../constants.ts';
import { readList, readResourceId, writeList, writeResourceId, writeU32 } from '../wire.ts';

/** `struct { ResourceId resource; KindId kinds<0..2^8-1>; } FindReq;` (RFC 6940 s7.4.4.1). */
export interface FindRequest {
  readonly type: 'find_req';
  readonly resource: ResourceId;
  readonly kinds: readonly number[];
}

/** `struct { KindId kind; ResourceId closest; } FindKindData;` (RFC 6940 s7.4.4.2). `00` when none is known. */
export interface FindKindData {
  readonly kind: number;
  readonly closest: ResourceId;
}

/** `struct { FindKindData results<0..2^16-1>; } FindAns;` (RFC 6940 s7.4.4.2). */
export interface FindAnswer {
  readonly type: 'find_ans';
  readonly results: readonly FindKindData[];
}

export function encodeFindRequest(writer: ByteWriter, body: FindRequest): void {
  writeResourceId(writer, body.resource);
  writeList(writer, 1, body.kinds, writeU32);
}

export function decodeFindRequest(reader: ByteReader): FindRequest {
  const resource = readResourceId(reader);
  return { type: 'find_req', resource, kinds: readList(reader.vector(1), MAX_KINDS, (list) => list.u32()) };
}

export function encodeFindAnswer(writer: ByteWriter, body: FindAnswer): void {
  writeList(writer, 2, body.results, (_, { kind, closest }) => {
    writeU32(writer, kind);
    writeResourceId(writer, closest);
  });
}

export function decodeFindAnswer(reader: ByteReader): FindAnswer {
  const results = readList(reader.vector(2), MAX_KINDS, (list) => ({
    kind: list.u32(),
    closest: readResourceId(list),
  }));
  return { type: 'find_ans', results };
}
