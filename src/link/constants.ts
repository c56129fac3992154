// Specification: RFC 6940 s6.6.3.1.

/** "For implementations that use a static value, the default value for RTO is 500 ms." */
export const DEFAULT_RTO_MS = 500;

/** "until a total of 5 requests have been sent". */
export const MAX_SENDS = 5;

/** Implementation: with so many sends unanswered, whoever has another way may take it already. */
export const DOUBT_SENDS = 3;

/** s6.6.2: "The receiver MUST keep track of the 32 most recent sequence numbers". */
export const RECEIVED_WINDOW = 32;

// Implementation.

/**
 * The RTO follows the measured RTT (RFC 6298 without the rounding to a second, as RFC 6940 allows); it never goes below
 * this, since the peer's event loop may be busy for some tens of milliseconds.
 */
export const MIN_RTO_MS = 100;
export const MAX_RTO_MS = 3_000;

/** Frames under way before anything is known of the path (RFC 3390: 4 segments of this size). */
export const INITIAL_WINDOW = 4;
/** Ever: what the control of the overlay puts before a call's packets on a slow uplink, 9 KB. */
export const MAX_WINDOW = 8;
/** A frame is lost when one that was sent so many later has arrived (RFC 5681 s3.2). */
export const REORDERING = 3;

/** What the data plane takes as one record: with all headers it passes where datagrams of 1280 bytes do, by a relay too. */
export const MAX_RECORD_BYTES = 1_120;
/** Type, sequence and length of a data frame (RFC 6940 s6.6.2). */
export const FRAME_HEADER_BYTES = 8;
export const MAX_FRAME_MESSAGE_BYTES = MAX_RECORD_BYTES - FRAME_HEADER_BYTES;

/** One link's frames that wait for their turn: some hundreds go in a second, older ones have timed out. */
export const MAX_QUEUED_FRAMES = 256;
export const MAX_QUEUED_BYTES = 256 * 1024;

/** An offer waits for its answer as long as a RELOAD request may live (RFC 6940 s6.2.1), and some. */
export const OFFER_TIMEOUT_MS = 20_000;
/** Checks and handshake of a new link, from both sides' candidates on. */
export const CONNECT_TIMEOUT_MS = 30_000;
/** ICE restart of a living association, from both sides' candidates on. */
export const RESTART_TIMEOUT_MS = 10_000;
/** One whose answer named an address that a NAT has taken away: checks that are under way get so long. */
export const OUTDATED_ANSWER_MS = 50;

/** However many links fall silent, how others see us is asked no more often because of that. */
export const UNHEARD_INTERVAL_MS = 1_000;

/** As in native/src/data_plane/data_plane.h: whoever dialed us and is not done by then has given up, and does not say so. */
export const HANDSHAKE_PATIENCE_MS = 1_000;

/** Links to nodes that are not members (newcomers who enroll), and how long each may take. */
export const MAX_GUESTS = 64;
export const GUEST_TIMEOUT_MS = 30_000;
/** Handshakes that strangers started, unfinished. Each proved its address by a cookie. */
export const MAX_INCOMING = 256;

/**
 * Links that look for their paths anew after a move of this host, at the pace of the data plane (native/src/data_plane/data_plane.h).
 * Code that never ran takes ten times as long, and a host may not have moved before: no other begins after `turnMs`.
 */
export const RENEWALS = { atOnce: 4, everyMs: 2, turnMs: 1 } as const;

/** A link that carries nothing is left to the data plane after this, and again this long after every stir. */
export const REST_AFTER_MS = 10_000;

/** Addresses bound to one association: its paths while it moves. */
export const MAX_BOUND_REMOTES = 8;
/** Of those, before the handshake is done, by the source of a check alone. */
export const MAX_UNPROVEN_REMOTES = 3;

/** Two ends that call each other at once make two associations; within this time neither is a restarted peer. */
export const GLARE_WINDOW_MS = 5_000;
/** The association that lost is kept this long, since the peer may not have seen the other one yet. */
export const RETIRE_AFTER_MS = 2_000;

/** Of many peers that could tell how they see us, the oldest are looked at: the choice is made again with every new link. */
export const MAX_SERVERS_CONSIDERED = 64;

/** Members by whom one may be reached are named to the other end, and of what it names are tried, at most. */
export const MAX_OFFERED_RELAYS = 2;
export const MAX_RELAYS_TRIED = 2;
/** Of one negotiation: these, our own, and those by which the other end came. */
export const MAX_RELAYS_KNOWN = 8;
/**
 * Direct paths have so long before the ways by a relay are tried too: the second copy of a check, which a NAT lets in, has been
 * answered by then where the round trip takes 100 ms.
 */
export const RELAY_HEAD_START_MS = 200;
/** Those that both ends are linked with have so long, then others are dialed. */
export const RELAY_PATIENCE_MS = 1_000;
/** A relay that the other end is linked with, and we are not, is given so long: it is in nobody's way. */
export const RELAY_DIAL_MS = 5_000;
/**
 * A negotiation without a path by then, hops of members among what was tried, needs a TURN server: the end that has called looks for
 * one; the other one when that comes to nothing. Not sooner: the overlay takes a call that is younger for the one that is under way.
 */
export const RELAY_WANTED_MS = { we: 1_000, they: 6_000 } as const;
/** Who is asked anew when there is a relayed address. */
export const MAX_RELAYS_WANTED = 16;

/** A link this young gets such hints because its ends did not finish at the same time. */
export const FORGOTTEN_GRACE_MS = 3_000;

/** Error responses to checks that no agent knows, a second, for all strangers together. */
export const MAX_STRANGER_ANSWERS_PER_SECOND = 100;
/** Binding requests answered a second. */
export const MAX_BINDING_ANSWERS_PER_SECOND = 500;

/** Nothing answers by UDP for so long: a stream is tried, and again after as long. Its TCP and TLS take three round trips. */
export const STREAM_HEAD_START_MS = 1_000;
/** Of one peer. */
export const MAX_STREAMS_TRIED = 2;
/** Whether UDP passes by now is looked for first after this, then after twice as long each time: a person logs in to a portal, say. */
export const UDP_LOOK_FIRST_MS = 10_000;
export const UDP_LOOK_MAX_MS = 320_000;

export const ECHO_TIMEOUT_MS = 3_000;
export const MAX_ECHOES = 64;
/** Kept transaction IDs of checks move to the older half this often; an answer later than that is not expected. */
export const TRANSACTION_GENERATION_MS = 40_000;

/** Candidates in one list inside the link (RFC 8838), at most: more than an offer has. */
export const MAX_LATE_CANDIDATES = 16;
/** Lists of the peer that are taken: each may cost some checks. */
export const LATE_LISTS = { perSecond: 2, burst: 10 } as const;
/** One link is told of changes no more often; what an interface that comes and goes brings about in between is left out. */
export const LATE_LIST_INTERVAL_MS = 200;
/** The first copy of a list that was not taken, or twice the round trip later; then after twice that each time. */
export const LATE_REPEAT_MS = 100;

/** Paths beside the selected one that the data plane is told of at once. */
export const MAX_SPARES = 3;

/** Deadlines of many links that come at once are looked at for so long in one turn of the event loop; the rest in the next. */
export const TIMERS_TURN_MS = 3;
