import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { ResourceId } from '../../base/node-id.ts';
import { MAX_KINDS } from '../constants.ts';
import { decodeStoredData, encodeStoredData } from '../stored-data.ts';
import type { DataModelOf, StoredData } from '../stored-data.ts';
import { decodeStoredDataSpecifier, encodeStoredDataSpecifier } from '../stored-data-specifier.ts';
import type { StoredDataSpecifier } from '../stored-data-specifier.ts';
import { readValues, writeValues } from '../value-list.ts';
import type { ValueList } from '../value-list.ts';
import { readList, readResourceId, writeList, writeResourceId, writeU32, writeU64 } from '../wire.ts';

/** `struct { ResourceId resource; StoredDataSpecifier specifiers<0..2^16-1>; } FetchReq;` (RFC 6940 s7.4.2.1). */
export interface FetchRequest {
  readonly type: 'fetch_req';
  readonly resource: ResourceId;
  readonly specifiers: readonly StoredDataSpecifier[];
}

/** `struct { KindId kind; uint64 generation; StoredData values<0..2^32-1>; } FetchKindResponse;` (RFC 6940 s7.4.2.2). */
export interface FetchKindResponse extends ValueList<StoredData> {
  readonly kind: number;
  readonly generation: bigint;
}

/** `struct { FetchKindResponse kind_responses<0..2^32-1>; } FetchAns;` (RFC 6940 s7.4.2.2). */
export interface FetchAnswer {
  readonly type: 'fetch_ans';
  readonly kindResponses: readonly FetchKindResponse[];
}

export function encodeFetchRequest(writer: ByteWriter, body: FetchRequest): void {
  writeResourceId(writer, body.resource);
  writeList(writer, 2, body.specifiers, encodeStoredDataSpecifier);
}

export function decodeFetchRequest(reader: ByteReader, dataModelOf: DataModelOf): FetchRequest {
  const resource = readResourceId(reader);
  const specifiers = readList(reader.vector(2), MAX_KINDS, (list) => decodeStoredDataSpecifier(list, dataModelOf));
  return { type: 'fetch_req', resource, specifiers };
}

export function encodeFetchAnswer(writer: ByteWriter, body: FetchAnswer): void {
  writeList(writer, 4, body.kindResponses, (_, response) => {
    writeU32(writer, response.kind);
    writeU64(writer, response.generation);
    writeValues(writer, response, encodeStoredData);
  });
}

export function decodeFetchAnswer(reader: ByteReader, dataModelOf: DataModelOf): FetchAnswer {
  const kindResponses = readList(reader.vector(4), MAX_KINDS, (list): FetchKindResponse => {
    const kind = list.u32();
    return { kind, generation: list.u64(), ...readValues(list, dataModelOf(kind), decodeStoredData) };
  });
  return { type: 'fetch_ans', kindResponses };
}
