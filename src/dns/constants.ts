// Specification.

/** RFC 1035 s4.2.1: a UDP answer to a query without EDNS. */
export const MIN_UDP_PAYLOAD_BYTES = 512;
/** RFC 1035 s2.3.4. */
export const MAX_NAME_BYTES = 255;
/** RFC 1035 s4.1.1. */
export const HEADER_BYTES = 12;
/** RFC 1035 s4.1.2: type and class behind the name of a question. */
export const QUESTION_TAIL_BYTES = 4;
/** RFC 6891 s6.1.2: an OPT record without options. */
export const OPT_BYTES = 11;
/** RFC 1035 s4.1.3: of a record, behind its name: type, class, TTL and the length of the data. */
export const RECORD_HEAD_BYTES = 10;
/** RFC 2782, without owner and target: head, priority, weight and port. */
export const SRV_BYTES = RECORD_HEAD_BYTES + 6;
/** RFC 3403 s4.1, without owner, service and replacement: head, order, preference, the flag and three lengths. */
export const NAPTR_BYTES = RECORD_HEAD_BYTES + 8;
/** RFC 3261 s19.1.2: the default port of SIP over UDP. */
export const SIP_PORT = 5060;

// Implementation.

/** Hosts of one user that are told: whoever asks tries one after the other, and has given up long before. */
export const MAX_HOSTS_TOLD = 8;
/** What we announce and never exceed over UDP: no fragmentation on any path (the DNS flag day 2020 value). */
export const MAX_UDP_PAYLOAD_BYTES = 1232;
/** A phone asks five questions within a second: one overlay lookup serves them all, and a moved name is seen soon. */
export const POSITIVE_TTL_S = 15;
/** A name claimed a moment ago has to appear soon. */
export const NEGATIVE_TTL_S = 5;
/** A lookup that failed is not tried again at once, however often it is asked for. */
export const FAILURE_TTL_MS = 1_000;
/** Silence costs a phone minutes (baresip asks 20 times, 71 s a query), so the answer is SERVFAIL after this. */
export const LOOKUP_TIMEOUT_MS = 2_000;
/** RFC 8767: the last known answer is better than none while the overlay cannot be asked. */
export const STALE_MS = 3_600_000;
export const MAX_CACHED_LOOKUPS = 1_024;
export const MAX_PENDING_LOOKUPS = 256;
/** Questions that wait for one lookup. */
export const MAX_WAITERS = 64;

/** One try with one upstream server; then the next server. */
export const UPSTREAM_TRY_MS = 1_500;
/** Tries of a forwarded query in all, over all servers: stays below the 10 s after which glibc gives up for good. */
export const UPSTREAM_TRIES = 4;
export const MAX_FORWARDED = 256;
/** How long `/etc/resolv.conf` is believed without looking at it again. */
export const RESOLV_CONF_RECHECK_MS = 1_000;

export const MAX_TCP_CLIENTS = 32;
/** RFC 7766 s6.2.3: of the order of seconds. */
export const TCP_IDLE_MS = 10_000;
/** Pipelined queries of one TCP client that wait for an answer. */
export const MAX_TCP_PENDING = 32;
