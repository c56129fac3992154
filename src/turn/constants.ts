// Specification: RFC 8656.

/** s12: channel numbers, "0x4000 through 0x4FFF". */
export const FIRST_CHANNEL = 0x4000;
export const LAST_CHANNEL = 0x4fff;
/** s12: "The channel binding lasts for 10 minutes"; bound anew to the same peer it has to keep its number. */
export const CHANNEL_LIFETIME_MS = 600_000;
/** s7.1: "17 (UDP)". */
export const UDP_PROTOCOL = 17;
/** s18.6. */
export const IPV4_FAMILY = 1;
export const IPV6_FAMILY = 2;
/** s7.2, s8: an allocation lives 600 s unless the server says otherwise. */
export const DEFAULT_LIFETIME_S = 600;

// Implementation.

/**
 * A request for both families that is refused like this may be one that the server does not understand, or has no room for: it is
 * asked for an IPv4 address alone.
 */
export const NO_DUAL_CODES: readonly number[] = [400, 420, 486, 500, 508];

/** RFC 8489 s6.2.1: the first retransmission is not sooner than after 500 ms; doubled each time. */
export const REQUEST_RTO_MS = 500;
/** A server that is started anew is back in a few seconds, and calls wait for it. */
export const MAX_REQUEST_RTO_MS = 2_000;
/** A server that is silent this long is of no use now: six requests have been lost. RFC 8489's 39.5 s help nobody. */
export const REQUEST_TIMEOUT_MS = 8_000;
/** What goes by a stream has so much less time than by UDP: it is dialed when no server has answered there by then. */
export const STREAM_HEAD_START_MS = 1_000;
/** A server may find a nonce stale (438) at once again, but not for ever. */
export const MAX_CHALLENGES = 3;

/** RFC 8656 s8 suggests a minute before the allocation expires; of a short one the last quarter. */
export const REFRESH_BEFORE_S = 60;
/** What lives shorter is refused: it would be nothing but refreshes. */
export const MIN_LIFETIME_S = 20;
/** s7.2: the most that is granted; for more a server may not promise: it is looked after no less often. */
export const MAX_LIFETIME_S = 3_600;
/**
 * A channel is bound anew that often. It lives 600 s, but the permission that comes with it only 300 (RFC 8656 s9, s12); bound
 * anew both begin afresh, so that no CreatePermission is needed.
 */
export const CHANNEL_REFRESH_MS = 210_000;
/** Of one allocation, at either end (native/src/relay/turn_server.h). A number is another peer's only 600 + 300 s after it was bound last (s12): in that time the numbers do not go round. */
export const MAX_CHANNELS = 64;
/** What the server refuses for a peer it would refuse a moment later too. */
export const REFUSED_CHANNEL_MS = 60_000;

/** Of the configuration: one, and another one for when that is down, each over UDP, TCP and TLS. */
export const MAX_TURN_SERVERS = 6;
/** After all our addresses were tried in vain; doubled each time. */
export const RETRY_MS = { least: 30_000, most: 600_000 } as const;
/** An allocation that was lost is made anew after this. */
export const LOST_RETRY_MS = 250;
/** Where a link is in doubt, the server is asked whether it has the allocation still; not more often than this. */
export const VERIFY_INTERVAL_MS = 1_000;
