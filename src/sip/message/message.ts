/** One header field, its name as it was written, its value without folding (RFC 3261 s7.3.1). */
export interface SipHeader {
  readonly name: string;
  readonly value: string;
}

interface Common {
  /** In their order; what is not understood is kept as it came. */
  readonly headers: readonly SipHeader[];
  readonly body: Uint8Array;
}

/** RFC 3261 s7.1. */
export interface SipRequest extends Common {
  readonly type: 'request';
  readonly method: string;
  /** Request-URI, as it was written. */
  readonly uri: string;
  /** Only of a request that is not SIP/2.0: it is answered with 505. */
  readonly version?: string;
}

/** RFC 3261 s7.2. */
export interface SipResponse extends Common {
  readonly type: 'response';
  /** 100 to 699. */
  readonly status: number;
  readonly reason: string;
}

export type SipMessage = SipRequest | SipResponse;
