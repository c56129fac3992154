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
