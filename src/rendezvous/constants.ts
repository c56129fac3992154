// Implementation constants.

/** A key is good for so long: whoever saw hosts come together under it learns nothing the next day. */
export const KEY_LIFETIME_MS = 24 * 3_600_000;
/** This near to the next day the other day's key is used too: clocks differ. */
export const KEY_OVERLAP_MS = 2 * 3_600_000;

/** An address is told again after this: whoever dials it has given up by then (`CONNECT_TIMEOUT_MS` of src/link). Doubled each time. */
export const TELL_AGAIN_MS = 15_000;
export const MAX_TELL_AGAIN_MS = 60_000;
/** Addresses remembered as told; strangers may leave any number of them at a public place. */
export const MAX_TOLD = 256;
/**
 * Told in a minute, of all places, and as many again that were told before: each is sent a few datagrams, which must not become
 * a flood towards someone. New ones have their own share, so that addresses of nobody do not hide somebody's.
 */
export const MAX_TOLD_A_MINUTE = 24;
/** Open tickets that are looked after; the youngest stay. */
export const MAX_TICKETS = 64;
