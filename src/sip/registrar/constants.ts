// Specification.

/** RFC 3261 s20.10, s20.19: "Malformed values SHOULD be treated as equivalent to 3600"; what is asked for when nothing is said, too. */
export const DEFAULT_EXPIRES_S = 3_600;

/** RFC 5626 s4.2: reg-id is from 1 to 2**31 - 1. */
export const MAX_REG_ID = 2 ** 31 - 1;

// Implementation.

/** A phone that is gone without a word is rung no longer than this. */
export const MAX_EXPIRES_S = 3_600;

/** What is granted at least. */
export const MIN_EXPIRES_S = 60;

/** Less is refused (423): a phone that asks for that little expects it to be kept. From here on it gets MIN_EXPIRES_S. */
export const TOO_BRIEF_S = 30;

/** Of one AoR: a family's phones, each of them twice. */
export const MAX_BINDINGS = 16;

/** AoRs of a snapshot; a host has one user, and its former names. */
export const MAX_KEPT_BINDINGS = 64;

/** Of a phone: 80 to 200 characters with all their parameters. */
export const MAX_URI_LENGTH = 512;
export const MAX_CALL_ID_LENGTH = 256;
/** `<urn:uuid:...>` has 47. */
export const MAX_INSTANCE_LENGTH = 128;
/** Methods of RFC 3840's `methods`. */
export const MAX_METHODS = 16;

/** RFC 5626 s5.4: so often a phone shows that its flow is there; the longest that RFC 5626 s4.4 has a phone choose. */
export const FLOW_TIMER_S = 120;
