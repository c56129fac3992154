// Specification: RFC 8445, RFC 7675.

/** RFC 8445 s5.1.2.2. */
export const TYPE_PREFERENCE = { host: 126, prflx: 110, srflx: 100, relay: 0 } as const;
/** RFC 8445 s5.1.2.1: "For RTP [...] the component ID"; RELOAD has one component, 1 (RFC 6940 s6.5.1.1). */
export const COMPONENT = 1;
/** RFC 8445 s6.1.2.5: "at most 100" pairs by default. */
export const MAX_PAIRS = 100;
/** RFC 7675 s5.1: basic period of consent checks; each is this times 0.8 to 1.2. */
export const CONSENT_INTERVAL_MS = 5_000;
export const CONSENT_JITTER = { least: 0.8, most: 1.2 } as const;
/** RFC 7675 s5.1: "Consent expires after 30 seconds." */
export const CONSENT_TIMEOUT_MS = 30_000;
/** RFC 8445 s5.3: at least 24 bits of ufrag and 128 bits of password; in base64 without padding. */
export const UFRAG_BYTES = 6;
export const PWD_BYTES = 18;

/** RFC 8445 s16.1: a 64-bit unsigned integer. */
export const MAX_TIE_BREAKER = 2n ** 64n - 1n;

// Implementation.

/**
 * Ta, the distance between new checks. RFC 8445 s14.2 has 50 ms for many streams and 5 ms as the floor; one agent here has
 * a handful of pairs, and the first packet of a call waits for the right one.
 */
export const CHECK_PACING_MS = 20;

/**
 * The floor of RFC 8445 s14.2, for what is few: triggered checks, nominations, and all checks of two hosts with one address
 * each. The private addresses come first in the list and answer only at home; the next pair is the one of the call.
 */
export const QUICK_PACING_MS = 5;
export const FEW_PAIRS = 4;

/**
 * First retransmission of a check: MAX(this, Ta x (waiting + in progress)), RFC 8445 s14.3 with a lower floor than its
 * 500 ms. A NAT drops the first check whenever the peer's own has not gone out yet, so the second decides how long punching
 * a hole takes; the other term still holds the whole list to one packet per Ta, and intervals double as usual.
 */
export const CHECK_RTO_MS = 100;
/** Intervals stop doubling here: a peer that starts late finds checks arriving all the time. */
export const MAX_CHECK_RTO_MS = 1_600;
/** A check without an answer has failed. RFC 8489's 39.5 s would outlive the patience of any caller. */
export const CHECK_LIFETIME_MS = 8_000;

/** After the first valid pair, checks of better pairs get this long before the valid one is nominated (RFC 8445 s8.1.1). */
export const NOMINATION_WAIT_MS = 40;
/** A nomination without an answer for this long, or for two round trips, gives way to another valid pair. */
export const NOMINATION_PATIENCE_MS = 300;

/**
 * No verdict `failed` before this much of checking, even when all pairs have failed: the peer may learn of us later than we
 * of it, and its checks may make pairs (RFC 8863). It is the resolver's patience for one connection.
 */
export const PATIENCE_MS = 10_000;
/** Checks still under way at the end of patience get until twice that; how often we look. */
export const PATIENCE_LOOK_MS = 500;

/** On a relayed path the direct ones are tried again: first after so long, then after twice that each time. */
export const RELAYED_LOOK_MS = { least: 30_000, most: 600_000 } as const;

/** Right after a selection the peer's remaining checks still arrive; only after this do they mean that it moved. */
export const SETTLE_MS = 1_000;
/** A nomination that may be a late copy gets no answer for this long after a selection; a real one is repeated. */
export const NOMINATION_HOLD_MS = 1_000;

/** How long an answer to a consent check may take before it counts as lost: three round trips, within these. */
export const CONSENT_ANSWER_MS = { least: 500, most: 4_000 } as const;
/** Consent checks lost in a row until the other pairs are tried. */
export const MISSED_CONSENT_LIMIT = 2;
/** Of how many consent checks `loss` is the mean: a bit of an integer for each. */
export const LOSS_WINDOW = 20;

/** On a pair that rests the peer is heard at least this often, or whoever looks after it wakes us. */
export const REST_SILENCE_MS = 24_000;

/** The side in control gets this long to leave a silent pair before the other side does it. */
export const TAKE_CONTROL_WAIT_MS = 1_000;

/** When the peer checks another pair, the selected one must answer a check within two round trips, at least this. */
export const VERIFY_ANSWER_MS = 100;
/** After lost consent checks it has longer, three copies of a check: two losses alone are no reason to move. */
export const SILENCE_VERIFY_MS = 500;

/** Checks that arrive before the peer's parameters, and remote candidates: remembered at most. */
export const MAX_EARLY_CHECKS = 32;
export const MAX_REMOTE_CANDIDATES = 32;
/** Transactions of the peer's checks remembered to tell copies from elsewhere: minutes of them, where a check lives seconds. */
export const MAX_CHECKS_SEEN = 256;

/**
 * Checks and their copies, of one session, to addresses that have answered none: `burst` is two rounds of a full list, and that
 * of one IP address (no matter which ports) some rounds of all pairs with what hosts behind one NAT have. `learned`: to where
 * only the source of a check has led us.
 */
export const UNANSWERED_CHECKS = {
  burst: 200,
  perSecond: 5,
  addressBurst: 40,
  addressPerSecond: 2,
  learnedBurst: 30,
  learnedPerSecond: 2,
} as const;
/** Addresses of one session that are counted, and that have answered, at most. */
export const MAX_REMOTES_COUNTED = 128;
/** Transactions of one pair that still may be answered after newer ones replaced them. */
export const MAX_TRANSACTIONS_PER_PAIR = 6;
/** Nominations remembered to tell a retransmission from a new one. */
export const MAX_NOMINATIONS_SEEN = 32;
