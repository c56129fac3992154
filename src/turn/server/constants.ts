// Specification: RFC 8656.

/** s9: JavaScript's view of what the data plane lets pass. */
export const PERMISSION_MS = 300_000;
/** s12: a number goes to another peer, or a peer to another number, not sooner than 5 minutes after the channel is over. */
export const CHANNEL_REUSE_MS = 300_000;
/** s7.2: relayed ports are of the dynamic range. */
export const PORTS = { first: 49_152, last: 65_535 } as const;

// Implementation.

/** RFC 8489 s9.2.4: how long a nonce holds. */
export const NONCE_MS = 600_000;
/** Of one allocation (native/src/relay/turn_server.h has the same). */
export const MAX_PERMISSIONS = 64;
/** Random ports are tried that often before 508. */
export const PORT_TRIES = 8;
/** Answers a second to requests that prove nothing: their source may be forged, and a challenge is longer than a request. */
export const MAX_CHALLENGES_PER_SECOND = 100;
