import type { ResourceId } from '../../base/node-id.ts';
import type { StoredDataSpecifier } from '../stored-data-specifier.ts';
import type { StoredMetaData } from '../stored-meta-data.ts';

/** `struct { ResourceId resource; StoredDataSpecifier specifiers<0..2^16-1>; } StatReq;` (RFC 6940 s7.4.3.1). */
export interface StatRequest {
  readonly type: 'stat_req';
  readonly resource: ResourceId;
  readonly specifiers: readonly StoredDataSpecifier[];
}

/** `struct { KindId kind; uint64 generation; StoredMetaData values<0..2^32-1>; } StatKindResponse;` (RFC 6940 s7.4.3.2). */
export interface StatKindResponse {
  readonly kind: number;
  readonly generation: bigint;
  readonly values: readonly StoredMetaData[];
  /** The bytes of the values where the Kind is not known here; `values` is then empty. */
  readonly opaqueValues?: Uint8Array;
}

/** `struct { StatKindResponse kind_responses<0..2^32-1>; } StatAns;` (RFC 6940 s7.4.3.2). */
export interface StatAnswer {
  readonly type: 'stat_ans';
  readonly kindResponses: readonly StatKindResponse[];
}
