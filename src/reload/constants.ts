// Specification: RFC 6940.

/** s6.3.2: "This field MUST contain the value 0xd2454c4f (the string "RELO" with the high bit of the first byte set)." */
export const RELO_TOKEN = 0xd2454c4f;

/** s6.3.2: "version 1.0, with a value of 0x0a"; "Nodes MUST reject messages with other versions." */
export const RELOAD_VERSION = 0x0a;

/** s6.3.2: "The initial value of the TTL SHOULD be 100 and MUST NOT exceed 100 unless defined otherwise". */
export const DEFAULT_INITIAL_TTL = 100;

/** s6.3.2: "The high bit (0x80000000) MUST be set for historical reasons." */
export const FRAGMENT_HIGH_BIT = 0x80000000;

/** s6.3.2: "If the next bit (0x40000000) is set to 1, it indicates that this is the last (or only) fragment." */
export const FRAGMENT_LAST_BIT = 0x40000000;

/** s6.3.2: the field below the two flags and six reserved bits. */
export const FRAGMENT_OFFSET_MASK = 0x00ffffff;

/** s6.7: "the last fragment bit is set and the offset is 0, resulting in a fragment value of 0xC0000000". */
export const WHOLE_MESSAGE_FRAGMENT = 0xc0000000;

/** s6.7: "MUST contain at least 256 bytes of the message body". */
export const MIN_FRAGMENT_BODY_BYTES = 256;

/** s6.7: "no larger than the Path MTU (PMTU) of the next overlay link minus 32 bytes". */
export const FRAGMENT_PMTU_RESERVE_BYTES = 32;

/** s6.7: "SHOULD time out incomplete fragments after the maximum request lifetime (15 seconds)". */
export const REASSEMBLY_TIMEOUT_MS = 15_000;

/** s6.3.2: the fields before the three lists. */
export const FIXED_HEADER_BYTES = 38;

/** s6.3.1.1: 16 to 20, "set on a per-overlay basis"; ORCHID mode (RFC 7086 s4) makes it the 16 of a HIT. */
export const NODE_ID_BYTES = 16;

/** s6.3.1.1: ResourceIds are "variable length, up to 254 bytes". */
export const MAX_RESOURCE_ID_BYTES = 254;

/** s7.4.1.1, s7.4.2.2: an array index of 0xffffffff appends; s7.4.2.1: as the end of a range it is the final element. */
export const ARRAY_INDEX_LAST = 0xffffffff;

/** s6.3.2.1: "if the configuration_sequence field is equal to 65535 and the message type is ConfigUpdate, [it] MUST be accepted". */
export const CONFIGURATION_SEQUENCE_ANY = 65535;

/** s14.2. */
export const RELOAD_PORT = 6084;

/** s14.8, with the names of the registry. */
export const MESSAGE_CODES = {
  probe_req: 0x1,
  probe_ans: 0x2,
  attach_req: 0x3,
  attach_ans: 0x4,
  store_req: 0x7,
  store_ans: 0x8,
  fetch_req: 0x9,
  fetch_ans: 0xa,
  find_req: 0xd,
  find_ans: 0xe,
  join_req: 0xf,
  join_ans: 0x10,
  leave_req: 0x11,
  leave_ans: 0x12,
  update_req: 0x13,
  update_ans: 0x14,
  route_query_req: 0x15,
  route_query_ans: 0x16,
  ping_req: 0x17,
  ping_ans: 0x18,
  stat_req: 0x19,
  stat_ans: 0x1a,
  app_attach_req: 0x1d,
  app_attach_ans: 0x1e,
  config_update_req: 0x21,
  config_update_ans: 0x22,
  exp_a_req: 0x23,
  exp_a_ans: 0x24,
  exp_b_req: 0x25,
  exp_b_ans: 0x26,
  error: 0xffff,
} as const;

/** s14.9. */
export const ERROR_CODES = {
  forbidden: 0x2,
  not_found: 0x3,
  request_timeout: 0x4,
  generation_counter_too_low: 0x5,
  incompatible_with_overlay: 0x6,
  unsupported_forwarding_option: 0x7,
  data_too_large: 0x8,
  data_too_old: 0x9,
  ttl_exceeded: 0xa,
  message_too_large: 0xb,
  unknown_kind: 0xc,
  unknown_extension: 0xd,
  response_too_large: 0xe,
  config_too_old: 0xf,
  config_too_new: 0x10,
  in_progress: 0x11,
  exp_a: 0x12,
  exp_b: 0x13,
  invalid_message: 0x14,
} as const;

/** s6.3.2.3: "These flags MUST NOT be set in a response." */
export const FORWARDING_FLAGS = { forwardCritical: 0x01, destinationCritical: 0x02, responseCopy: 0x04 } as const;

/** s14.10. */
export const OVERLAY_LINK_TYPES = { dtlsUdpSr: 1, dtlsUdpSrNoIce: 3, tlsTcpFhNoIce: 4, exp: 5 } as const;

/** s14.13. */
export const PROBE_INFORMATION_TYPES = { responsible_set: 1, num_resources: 2, uptime: 3 } as const;

/** s14.6; RFC 7904 s9.1 (SIP-REGISTRATION). */
export const KIND_IDS = {
  sipRegistration: 0x1,
  turnService: 0x2,
  certificateByNode: 0x3,
  certificateByUser: 0x10,
} as const;

/** RFC 6091: "X.509(0), OpenPGP(1)". */
export const CERTIFICATE_TYPE_X509 = 0;

/** RFC 5246 s7.4.1.4.1, what s6.3.4 calls "From TLS". */
export const HASH_ALGORITHMS = { none: 0, sha1: 2, sha256: 4, sha384: 5, sha512: 6 } as const;
export const SIGNATURE_ALGORITHMS = { anonymous: 0, rsa: 1, ecdsa: 3 } as const;

/** s6.6.2. */
export const FRAME_TYPES = { data: 128, ack: 129 } as const;

/** s6.6.2: type, sequence and length in front of the message. */
export const DATA_FRAME_HEADER_BYTES = 8;

// Implementation.

/** A via or destination list that is longer than any route of an overlay with an initial TTL of 100 could make it. */
export const MAX_DESTINATIONS = 512;

/** Header options and message extensions: none is defined but experimental ones and RFC 7263's. */
export const MAX_OPTIONS = 64;

/** Certificates of one security block. Holders of stored values each add one. */
export const MAX_CERTIFICATES = 1024;

/** Kinds of one request or answer; an overlay defines a few. */
export const MAX_KINDS = 1024;

/**
 * Values of one Kind in one message, or keys and ranges of one specifier. A StoredData has at least 28 bytes and becomes
 * some six hundred in memory; what max-message-size (5000 by default) lets through has fewer than two hundred.
 */
export const MAX_VALUES = 8192;

/** A request can ask for 255 pieces of information. */
export const MAX_PROBE_INFORMATION = 255;

/** Candidates of one Attach. ICE agents pair them, so many cost their square. */
export const MAX_CANDIDATES = 100;

/** Extensions of one candidate. */
export const MAX_CANDIDATE_EXTENSIONS = 32;

/** What a Reassembler holds by default, for all senders together and for one message. */
export const REASSEMBLY_MAX_TOTAL_BYTES = 4 * 1024 * 1024;
export const REASSEMBLY_MAX_MESSAGE_BYTES = 256 * 1024;

/** Fragments of one message, so that many small ones cannot cost more memory than their bytes. */
export const REASSEMBLY_MAX_FRAGMENTS = 1024;

/** What an incomplete message counts beside its fragments; with the total it bounds how many there are (256). */
export const REASSEMBLY_MESSAGE_COST_BYTES = 16 * 1024;

/** What keeping one fragment counts beside its bytes. */
export const REASSEMBLY_FRAGMENT_COST_BYTES = 128;

/** The part of the room that one neighbour may fill. */
export const REASSEMBLY_SOURCE_SHARE = 0.25;
