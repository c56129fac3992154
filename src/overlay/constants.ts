import type { Rate } from './rate-limiter.ts';

// Specification: RFC 6940.

/** s10.4: "to its successor in the Neighbor Table and to that peer's successor". */
export const REPLICAS = 2;

/** s10.1: "at least the three peers before and after this peer". */
export const NEIGHBORS_EACH_WAY = 3;

/** s10.7.4.3: "the node SHOULD attempt to discover more fingers to grow the size of the table to 16". */
export const MIN_FINGERS = 16;

/** s10.7.4.3: "capable of increasing the number of entries in the Finger Table to 128 entries". */
export const MAX_FINGERS = 128;

/** s6.2.1: overlay-reliability-timer, "default 3000 ms". */
export const RELIABILITY_TIMER_MS = 3_000;

/** s6.2.1: "MAY be retransmitted up to 4 times, for a total of 5 messages". */
export const MAX_TRANSMISSIONS = 5;

/** s6.2.1: "the maximum request lifetime (15 seconds)". */
export const REQUEST_LIFETIME_MS = 15_000;

/** s3: successor replacement hold-down time, "default 30 seconds". */
export const SUCCESSOR_HOLD_DOWN_MS = 30_000;

/** s10.7.4.1: "about every ten minutes". */
export const DEFAULT_UPDATE_INTERVAL_MS = 600_000;

/** s10.7.4.2: chord-ping-interval, "defaults to 3600 seconds". */
export const DEFAULT_PING_INTERVAL_MS = 3_600_000;

/** s11.1: max-message-size, "If not present, the default is 5000 bytes". */
export const DEFAULT_MAX_MESSAGE_BYTES = 5_000;

/** s6.3.1.1: the wildcard Node-ID, all ones. */
export const WILDCARD_NODE_ID = 'f'.repeat(32);

/** s14.5: an Application-ID of the private range: the tunnel of overlay addresses. */
export const TUNNEL_APPLICATION_ID = 61_441;

// Implementation.

/** Requests of this node that wait for an answer. Beyond it new ones fail at once. */
export const MAX_TRANSACTIONS = 4_096;

/** Of those that are due in one turn of the event loop: what is sent is signed, and what fails may be tried otherwise. */
export const TRANSACTIONS_PER_TURN = 16;

/** Answers kept for retransmitted requests; one is at most as large as a message. */
export const MAX_CACHED_ANSWERS = 512;

/** Of these as many for one node: it must not push out those of all others. */
export const MAX_CACHED_ANSWERS_EACH = 128;

/** Nodes whose share of each kind of costly work is kept in mind. */
export const MAX_LIMITED_NODES = 1_024;

/**
 * Requests of one node that cost more than an answer: beyond this they are dropped, and a retransmission may find its
 * turn. An honest node stays far below: it joins once, and asks for a link or a new path of it when networks change.
 */
export const JOIN_RATE: Rate = { burst: 4, intervalMs: 2_000 };
export const ATTACH_RATE: Rate = { burst: 16, intervalMs: 500 };
/** Each document is parsed and its signature checked. */
export const CONFIG_UPDATE_RATE: Rate = { burst: 4, intervalMs: 15_000 };
/** Routing Tables that a node asks for by RouteQuery. */
export const ROUTING_TABLE_RATE: Rate = { burst: 8, intervalMs: 1_000 };
/** A node says goodbye once in its life, or each time it becomes a client; what it names is looked for. */
export const LEAVE_RATE: Rate = { burst: 4, intervalMs: 2_000 };
/** As often as a peer tells of changes (UPDATE_DELAY_MS). What is beyond it waits: the latest of each linked node. */
export const UPDATE_RATE: Rate = { burst: 8, intervalMs: 100 };
/** A peer may say over the same link that it has started anew, for which all that it held is copied to it again. */
export const RESTART_RATE: Rate = { burst: 2, intervalMs: 60_000 };
/** Refusals of requests whose signature was not looked at, for each linked node. */
export const REFUSAL_RATE: Rate = { burst: 32, intervalMs: 200 };

/** A node with another configuration gets a document, or is asked for one, this often. */
export const CONFIGURATION_RATE: Rate = { burst: 1, intervalMs: 60_000 };
/** Configuration documents under way at once. */
export const MAX_DOCUMENTS_IN_FLIGHT = 16;

/** Longest destination list of a request that is followed: the whole way of a trace, and its end. */
export const MAX_DESTINATIONS = 65;

/** Requests that were forwarded lately, to tell a retransmission and try another way for it. */
export const MAX_RECENT_FORWARDS = 256;

/**
 * Verified certificates: as many as a peer with 10,000 resources holds values of members of; reading one anew costs more garbage than
 * all else that a Store brings. A member costs about one kilobyte, which its stored values share.
 */
export const MAX_CERTIFICATES_CACHED = 8_192;

/** Certificates of one message that are looked at: each new one costs a signature check. */
export const MAX_CERTIFICATES_PER_MESSAGE = 64;

/** A certificate that was good is checked again after this time: it may have expired or been revoked. */
export const CERTIFICATE_RECHECK_MS = 60_000;

/** ICE and the handshake of a link, after the answer came. */
export const LINK_SETUP_TIMEOUT_MS = 30_000;
/** A link comes up within a few round trips, or its candidates are outdated: from then on another attempt may begin. */
export const ATTEMPT_STALE_MS = 1_000;
/**
 * Where a path is mended, whoever asks again soon has found another address of its own, as at a TURN server. One that has crossed
 * ours, and gave way, comes sooner.
 */
export const MENDING_STALE_MS = 200;

/** A node that could not be reached is not tried again as a neighbour or finger before. */
export const FAILED_PEER_PAUSE_MS = 30_000;

/** Nodes remembered as unreachable. */
export const MAX_FAILED_PEERS = 256;

/** Attach and AppAttach at once, in either direction. */
export const MAX_PENDING_LINKS = 1_024;

/** Changes of neighbours that come together are told in one Update. */
export const UPDATE_DELAY_MS = 100;

/** One phase of joining; then the procedure starts anew. */
export const JOIN_PHASE_TIMEOUT_MS = 20_000;

/** Before joining is tried again: this and a random part of it, so that newcomers do not move in step. */
export const JOIN_RETRY_MS = 1_000;

/** Searches for fingers right after the join. */
export const MAX_INITIAL_FINGERS = 16;

/** A lost neighbour is looked for again once, after this time (s10.7.1 leaves it open). */
export const LOST_NEIGHBOR_RETRY_MS = 5_000;

/** Leave requests may take this long before the node counts as gone. */
export const LEAVE_TIMEOUT_MS = 3_000;

/** A peer becomes a client only when so many others stay: two copies of everything, and a second way for everyone. */
export const MIN_STAYING_PEERS = 2;

/** Longest time that a peer spends on handing over before it becomes a client; with less than all of it it stays. */
export const STEP_DOWN_DRAIN_MS = 60_000;

/** A client asks who is responsible for its Node-ID this often, beside what Updates tell it. */
export const DEFAULT_CLIENT_CHECK_INTERVAL_MS = 60_000;

/** Links that a client keeps to peers beside the responsible one. */
export const SPARE_PEERS = 2;

/** Stores of copies that may be unanswered at once at a peer: at first, while it answers, and never more. */
export const INITIAL_COPY_WINDOW = 4;
export const MAX_COPY_WINDOW = 16;

/** A peer that let a copy time out is left alone for this time, doubled each time up to the longest. */
export const SILENCE_PAUSE_MS = 2_000;
export const MAX_SILENCE_PAUSE_MS = 300_000;

/** The same for a peer that answers and refuses. */
export const REFUSAL_PAUSE_MS = 250;
export const MAX_REFUSAL_PAUSE_MS = 60_000;

/** What a peer has refused of a resource is offered again after this time, doubled each time up to the longest. */
export const REFUSED_COPY_RETRY_MS = 30_000;
export const MAX_REFUSED_COPY_RETRY_MS = 3_600_000;

/** As REFUSED_COPY_RETRY_MS, of what was refused since the two see the ring differently: its Updates are under way. */
export const MISPLACED_COPY_RETRY_MS = 1_000;

/** Resources that one turn looks at, and what a copy that is sent counts among them: a signature, mostly. */
export const RESOURCES_PER_TURN = 256;
export const COPY_COST = 16;

/** A neighbour of this age is settled: what it says decides between two claims. */
export const SETTLED_PEER_MS = 60_000;

/** Longest time that a leaving peer spends on handing over what too few others hold. */
export const DRAIN_LIMIT_MS = 3_000;

/** How often stored data is looked through for what expired; expired values are never handed out before. */
export const EXPIRY_SWEEP_MS = 30_000;

/** Bytes of all values that a node stores for others. */
export const DEFAULT_MAX_STORED_BYTES = 32 * 1024 * 1024;

/** Values of one writer at one node; a host has a handful and its share of the ring decides where. */
export const DEFAULT_MAX_VALUES_PER_WRITER = 64;

/** An inviter may write so many times that: it keeps names for its tickets. */
export const INVITER_VALUES_FACTOR = 16;

/** A value may not come from further in the future: a wrong clock would lock its place for everyone. */
export const MAX_CLOCK_SKEW_MS = 600_000;

/**
 * A copy may come from so far in the future: the peer that took the original has judged its time already, and a replica
 * whose own clock is slow must not lose values for it.
 */
export const MAX_COPY_SKEW_MS = 86_400_000;

/** Addresses that a host may claim: so many choices follow from its HIT. With them tried, the prefix counts as full. */
export const MAX_IPV4_CHOICES = 64;

/** Longest lifetime of a value that is accepted. */
export const MAX_LIFETIME_S = 30 * 86_400;

/** Kinds and specifiers of one request that are answered. */
export const MAX_KINDS_PER_REQUEST = 32;

/** Hops that a trace follows. */
export const MAX_TRACE_HOPS = 64;
