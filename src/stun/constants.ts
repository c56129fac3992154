// Specification: RFC 8489.

/** s5: in every message, so that STUN can be told from what shares its port. */
export const MAGIC_COOKIE = 0x2112a442;
export const HEADER_BYTES = 20;
export const TRANSACTION_ID_BYTES = 12;
/** s14.7: "XORed with the 32-bit value 0x5354554e". */
export const FINGERPRINT_XOR = 0x5354554e;
/** s14: types below are comprehension-required, the others optional. */
export const FIRST_OPTIONAL_TYPE = 0x8000;
/** s14.3: a valid UTF-8 sequence "of fewer than 509 bytes". */
export const MAX_USERNAME_BYTES = 508;
/** s14.8 to s14.10, s14.14: "fewer than 128 characters (which can be as long as 509 bytes [...] or 763 bytes when decoding)". */
export const MAX_TEXT_BYTES = 763;

/** s18.3, and RFC 8445 s16.1, RFC 5780 s7, RFC 8656 s18. */
export const ATTRIBUTE = {
  mappedAddress: 0x0001,
  changeRequest: 0x0003,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  padding: 0x0026,
  additionalAddressFamily: 0x8000,
  addressErrorCode: 0x8001,
  passwordAlgorithms: 0x8002,
  software: 0x8022,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
  otherAddress: 0x802c,
  /** ADDITIONAL-ADDRESS-FAMILY as in the draft before RFC 8656 (draft-martinsen-tram-ssoda), which coturn still has. */
  draftAdditionalAddressFamily: 0x8032,
} as const;

/** s14.8, RFC 8445 s16.2. The phrases are what a person sees in a capture. */
export const ERROR_REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthenticated',
  403: 'Forbidden',
  420: 'Unknown Attribute',
  437: 'Allocation Mismatch',
  438: 'Stale Nonce',
  440: 'Address Family not Supported',
  441: 'Wrong Credentials',
  442: 'Unsupported Transport Protocol',
  443: 'Peer Address Family Mismatch',
  486: 'Allocation Quota Reached',
  487: 'Role Conflict',
  500: 'Server Error',
  508: 'Insufficient Capacity',
};

// Implementation.

/** The algorithms of a server: two are defined (s18.5), and nobody needs many. */
export const MAX_PASSWORD_ALGORITHMS = 8;

/** More unknown types than this are not listed in a 420: the sender learns enough from these. */
export const MAX_UNKNOWN_LISTED = 16;

/** Peers of one message; more are left out. */
export const MAX_PEERS = 64;

/** Binding requests to servers are this long, so that no answer (IPv6 address and FINGERPRINT: 52) is longer. */
export const PADDED_REQUEST_BYTES = 52;

/**
 * First retransmission of a Binding request to a server. RFC 8489 s6.2.1 wants at least 500 ms, for flows without any
 * pacing; here a few requests are paced (below) and end after seconds, and a name in a call waits for the answer.
 */
export const BINDING_RTO_MS = 200;
/** Requests to servers start this far apart (RFC 8445 s14.2: Ta, not below 5 ms). */
export const BINDING_PACING_MS = 20;
/** A server that is silent this long has told nothing: hosts behind it are reached by checks all the same. */
export const BINDING_TIMEOUT_MS = 4_000;
/** While a call is silent its end waits for this word: a router that is back on the line is noticed at once, for as long as consent lasts. */
export const EAGER_BINDING_TIMEOUT_MS = 30_000;
/** Local addresses times servers, at a time. */
export const MAX_BINDING_QUERIES = 64;
