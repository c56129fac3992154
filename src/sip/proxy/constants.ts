// Specification: RFC 3261 s16, RFC 5393 s5.

/** s16.6 step 11: it "MUST be larger than 3 minutes". */
export const TIMER_C_MS = 181_000;
/** RFC 5393 s5.3.3: of requests that have no Max-Breadth. */
export const DEFAULT_MAX_BREADTH = 60;
/** s20.10: of a contact without a q. */
export const DEFAULT_Q = 1;
/**
 * Methods that begin no dialog and refresh none: they go without Record-Route. All others have one, those that are not known as well
 * (s16.6 step 4).
 */
export const UNRECORDED_METHODS: ReadonlySet<string> = new Set([
  ...['ACK', 'BYE', 'CANCEL', 'INFO', 'MESSAGE', 'OPTIONS', 'PRACK', 'PUBLISH', 'REGISTER'],
]);

// Implementation.

/** Of one request: devices of a user, on all hosts. */
export const MAX_TARGETS = 32;
/** Of one INVITE, calls that were answered too late and are ended: it may have forked behind us. */
export const MAX_PARTINGS = 16;
/** Values in Route: each of ours is looked at. */
export const MAX_ROUTES = 64;
/** How long finding the targets may take: a caller without an answer gives up then. */
export const MAX_LOCATING_MS = 32_000;
/** How long it may take until a last resort is there: its greeting may be elsewhere in the overlay. */
export const MAX_SEEKING_MS = 12_000;
/**
 * Refusals that say nothing of what the called one wants: gone, off, busy, or a fault on the way. 6xx is final: RFC 3261 s21.6.1 has 600 only
 * where "no other end point (such as a voice mail system) will answer the request".
 */
export const LEFT_FOR_LAST: ReadonlySet<number> = new Set([404, 408, 410, 480, 486, 487, 500, 502, 503, 504]);
/** Hexadecimal digits that say whether a request has looped (s16.6 step 8); with the salt, nobody else can write them. */
export const MARK_DIGITS = 16;
export const SALT_BYTES = 16;
/** Time-outs handled in one turn of the event loop. */
export const MAX_TIMEOUTS_PER_TURN = 256;
