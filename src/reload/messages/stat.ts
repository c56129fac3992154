import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { ResourceId } from '../../base/node-id.ts';
import { MAX_KINDS } from '../constants.ts';
import type { DataModelOf } from '../stored-data.ts';
import { decodeStoredMetaData, encodeStoredMetaData } from '../stored-meta-data.ts';
import type { StoredMetaData } from '../stored-meta-data.ts';
import { decodeStoredDataSpecifier, encodeStoredDataSpecifier } from '../stored-data-specifier.ts';
import type { StoredDataSpecifier } from '../stored-data-specifier.ts';
import { readValues, writeValues } from '../value-list.ts';
import type { ValueList } from '../value-list.ts';
import { readList, readResourceId, writeList, writeResourceId, writeU32, writeU64 } from '../wire.ts';

/** `struct { ResourceId resource; StoredDataSpecifier specifiers<0..2^16-1>; } StatReq;` (RFC 6940 s7.4.3.1). */
export interface StatRequest {
  readonly type: 'stat_req';
  readonly resource: ResourceId;
  readonly specifiers: readonly StoredDataSpecifier[];
}

/** `struct { KindId kind; uint64 generation; StoredMetaData values<0..2^32-1>; } StatKindResponse;` (RFC 6940 s7.4.3.2). */
export interface StatKindResponse extends ValueList<StoredMetaData> {
  readonly kind: number;
  readonly generation: bigint;
}

/** `struct { StatKindResponse kind_responses<0..2^32-1>; } StatAns;` (RFC 6940 s7.4.3.2). */
export interface StatAnswer {
  readonly type: 'stat_ans';
  readonly kindResponses: readonly StatKindResponse[];
}

export function encodeStatRequest(writer: ByteWriter, body: StatRequest): void {
  writeResourceId(writer, body.resource);
  writeList(writer, 2, body.specifiers, encodeStoredDataSpecifier);
}

export function decodeStatRequest(reader: ByteReader, dataModelOf: DataModelOf): StatRequest {
  const resource = readResourceId(reader);
  const specifiers = readList(reader.vector(2), MAX_KINDS, (list) => decodeStoredDataSpecifier(list, dataModelOf));
  return { type: 'stat_req', resource, specifiers };
}

export function encodeStatAnswer(writer: ByteWriter, body: StatAnswer): void {
  writeList(writer, 4, body.kindResponses, (_, response) => {
    writeU32(writer, response.kind);
    writeU64(writer, response.generation);
    writeValues(writer, response, encodeStoredMetaData);
  });
}

export function decodeStatAnswer(reader: ByteReader, dataModelOf: DataModelOf): StatAnswer {
  const kindResponses = readList(reader.vector(4), MAX_KINDS, (list): StatKindResponse => {
    const kind = list.u32();
    return { kind, generation: list.u64(), ...readValues(list, dataModelOf(kind), decodeStoredMetaData) };
  });
  return { type: 'stat_ans', kindResponses };
}
