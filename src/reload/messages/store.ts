import type { NodeId, ResourceId } from '../../base/node-id.ts';
import type { StoredData } from '../stored-data.ts';

/** `struct { KindId kind; uint64 generation_counter; StoredData values<0..2^32-1>; } StoreKindData;` (RFC 6940 s7.4.1.1). */
export interface StoreKindData {
  readonly kind: number;
  readonly generationCounter: bigint;
  readonly values: readonly StoredData[];
  /** The bytes of the values where the Kind is not known here; `values` is then empty. */
  readonly opaqueValues?: Uint8Array;
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
