/** `struct { ProbeInformationType requested_info<0..2^8-1>; } ProbeReq;` (RFC 6940 s6.4.2.5.1); PROBE_INFORMATION_TYPES. */
export interface ProbeRequest {
  readonly type: 'probe_req';
  readonly requestedInfo: readonly number[];
}

/**
 * RFC 6940 s6.4.2.5.2.
 *
 * ```
 * struct { ProbeInformationType type; uint8 length; ProbeInformationData value; } ProbeInformation;
 * ```
 */
export type ProbeInformation =
  | { readonly type: 'responsible_set'; /** Parts per billion of the overlay. */ readonly responsiblePpb: number }
  | { readonly type: 'num_resources'; readonly numResources: number }
  | { readonly type: 'uptime'; /** Seconds. */ readonly uptime: number }
  | { readonly type: 'unknown'; readonly code: number; readonly value: Uint8Array };

/** `struct { ProbeInformation probe_info<0..2^16-1>; } ProbeAns;` (RFC 6940 s6.4.2.5.2). */
export interface ProbeAnswer {
  readonly type: 'probe_ans';
  readonly info: readonly ProbeInformation[];
}
