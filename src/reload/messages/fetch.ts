import type { ResourceId } from '../../base/node-id.ts';
import type { StoredData } from '../stored-data.ts';
import type { StoredDataSpecifier } from '../stored-data-specifier.ts';

/** `struct { ResourceId resource; StoredDataSpecifier specifiers<0..2^16-1>; } FetchReq;` (RFC 6940 s7.4.2.1). */
export interface FetchRequest {
  readonly type: 'fetch_req';
  readonly resource: ResourceId;
  readonly specifiers: readonly StoredDataSpecifier[];
}

/** `struct { KindId kind; uint64 generation; StoredData values<0..2^32-1>; } FetchKindResponse;` (RFC 6940 s7.4.2.2). */
export interface FetchKindResponse {
  readonly kind: number;
  readonly generation: bigint;
  readonly values: readonly StoredData[];
  /** The bytes of the values where the Kind is not known here; `values` is then empty. */
  readonly opaqueValues?: Uint8Array;
}

/** `struct { FetchKindResponse kind_responses<0..2^32-1>; } FetchAns;` (RFC 6940 s7.4.2.2). */
export interface FetchAnswer {
  readonly type: 'fetch_ans';
  readonly kindResponses: readonly FetchKindResponse[];
}
