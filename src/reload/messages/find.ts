import type { ResourceId } from '../../base/node-id.ts';

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
