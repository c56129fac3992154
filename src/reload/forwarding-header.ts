import type { Destination } from './destination.ts';

/**
 * RFC 6940 s6.3.2.3.
 *
 * ```
 * struct { ForwardingOptionType type; uint8 flags; uint16 length; select (type) { ... } option; } ForwardingOption;
 * ```
 */
export interface ForwardingOption {
  readonly type: number;
  /** FORWARDING_FLAGS. */
  readonly flags: number;
  readonly value: Uint8Array;
}

/**
 * RFC 6940 s6.3.2. The token and the version have one legal value and the lengths follow from the content, so they are
 * not fields here.
 *
 * ```
 * struct {
 *   uint32 relo_token;  uint32 overlay;  uint16 configuration_sequence;  uint8 version;  uint8 ttl;
 *   uint32 fragment;  uint32 length;  uint64 transaction_id;  uint32 max_response_length;
 *   uint16 via_list_length;  uint16 destination_list_length;  uint16 options_length;
 *   Destination via_list[];  Destination destination_list[];  ForwardingOption options[];
 * } ForwardingHeader;
 * ```
 */
export interface ForwardingHeader {
  /** Low 32 bits of SHA-1 of the overlay name. */
  readonly overlay: number;
  readonly configurationSequence: number;
  readonly ttl: number;
  /** The raw field: WHOLE_MESSAGE_FRAGMENT, or flags and offset (s6.7). */
  readonly fragment: number;
  readonly transactionId: bigint;
  /** Bytes; 0: no limit. */
  readonly maxResponseLength: number;
  readonly viaList: readonly Destination[];
  readonly destinationList: readonly Destination[];
  readonly options: readonly ForwardingOption[];
}

/** A header as read, with what follows from its bytes. */
export interface DecodedForwardingHeader extends ForwardingHeader {
  /** Bytes of the whole message (or fragment), header included. */
  readonly length: number;
  /** Bytes of the header with its lists. */
  readonly headerLength: number;
}
