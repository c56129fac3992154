import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { MAX_KINDS } from '../constants.ts';
import { decodeStoredData, encodeStoredData } from '../stored-data.ts';
import type { DataModelOf, StoredData } from '../stored-data.ts';
import { readValues, writeValues } from '../value-list.ts';
import type { ValueList } from '../value-list.ts';
import {
  malformed,
  readList,
  readNodeIds,
  readResourceId,
  writeList,
  writeNodeIds,
  writeResourceId,
  writeU32,
  writeU64,
  writeU8,
} from '../wire.ts';

/** `struct { KindId kind; uint64 generation_counter; StoredData values<0..2^32-1>; } StoreKindData;` (RFC 6940 s7.4.1.1). */
export interface StoreKindData extends ValueList<StoredData> {
  readonly kind: number;
  readonly generationCounter: bigint;
}

/** `struct { ResourceId resource; uint8 replica_number; StoreKindData kind_data<0..2^32-1>; } StoreReq;` (RFC 6940 s7.4.1.1). */
export interface StoreRequest {
  readonly type: 'store_req';
  readonly resource: ResourceId;
  readonly replicaNumber: number;
  readonly kindData: readonly StoreKindData[];
}

/** `struct { KindId kind; uint64 generation_counter; NodeId replicas<0..2^16-1>; } StoreKindResponse;` (RFC 6940 s7.4.1.2). */
export interface StoreKindResponse {
  readonly kind: number;
  readonly generationCounter: bigint;
  readonly replicas: readonly NodeId[];
}

/** `struct { StoreKindResponse kind_responses<0..2^16-1>; } StoreAns;` (RFC 6940 s7.4.1.2). */
export interface StoreAnswer {
  readonly type: 'store_ans';
  readonly kindResponses: readonly StoreKindResponse[];
}

export function encodeStoreRequest(writer: ByteWriter, body: StoreRequest): void {
  writeResourceId(writer, body.resource);
  writeU8(writer, body.replicaNumber);
  writeList(writer, 4, body.kindData, (_, kindData) => {
    writeU32(writer, kindData.kind);
    writeU64(writer, kindData.generationCounter);
    writeValues(writer, kindData, encodeStoredData);
  });
}

export function decodeStoreRequest(reader: ByteReader, dataModelOf: DataModelOf): StoreRequest {
  const resource = readResourceId(reader);
  const replicaNumber = reader.u8();
  const seen = new Set<number>();
  const kindData = readList(reader.vector(4), MAX_KINDS, (list): StoreKindData => {
    const at = list.offset;
    const kind = list.u32();
    // RFC 6940 s7.4.1.1: "The same Kind-ID MUST NOT be used twice in a given store request."
    if (seen.has(kind)) malformed(at, `Kind ${kind} is stored twice`);
    seen.add(kind);
    return { kind, generationCounter: list.u64(), ...readValues(list, dataModelOf(kind), decodeStoredData) };
  });
  return { type: 'store_req', resource, replicaNumber, kindData };
}

export function encodeStoreAnswer(writer: ByteWriter, body: StoreAnswer): void {
  writeList(writer, 2, body.kindResponses, (_, { kind, generationCounter, replicas }) => {
    writeU32(writer, kind);
    writeU64(writer, generationCounter);
    writeNodeIds(writer, replicas);
  });
}

export function decodeStoreAnswer(reader: ByteReader): StoreAnswer {
  const kindResponses = readList(reader.vector(2), MAX_KINDS, (list) => ({
    kind: list.u32(),
    generationCounter: list.u64(),
    replicas: readNodeIds(list),
  }));
  return { type: 'store_ans', kindResponses };
}
