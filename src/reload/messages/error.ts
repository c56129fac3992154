/** `struct { uint16 error_code; opaque error_info<0..2^16-1>; } ErrorResponse;` (RFC 6940 s6.3.3.1). */
export interface ErrorResponse {
  readonly type: 'error';
  /** ERROR_CODES. */
  readonly code: number;
  /** UTF-8 text, except where the error says otherwise. */
  readonly info: Uint8Array;
}
