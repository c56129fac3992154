// Specification: RFC 3261 s17 and appendix A, RFC 6026 s7, RFC 4320 s4.

/** RFC 3261 s17.1.1.1: an estimate of the round trip, and the first value of timers A, E and G. */
export const T1_MS = 500;
/** The longest between retransmissions of requests that are no INVITE, and of responses to INVITE. */
export const T2_MS = 4_000;
/** How long a message may stay in the network: timers I and K over unreliable transports. */
export const T4_MS = 5_000;
/** 64*T1: timers B, F, H, J, L and M. */
export const TRANSACTION_TIMEOUT_MS = 64 * T1_MS;
/** Timer D over unreliable transports: "at least 32 seconds". */
export const TIMER_D_MS = 32_000;
/** s17.2.1: the server "MUST generate a 100 (Trying) response unless it knows that the TU will" answer "within 200 ms". */
export const INVITE_TRYING_MS = 200;
/** RFC 4320 s4.1: 100 goes out when a client's timer E has reached T2, and not before. */
export const NON_INVITE_TRYING_MS = T1_MS + 2 * T1_MS + 4 * T1_MS;
/** s19.1.2, and s18.2.2: where none is written. */
export const SIP_PORT = 5_060;
/** s19.1.2: of TLS. */
export const SIPS_PORT = 5_061;
/** s8.1.1.6. */
export const MAX_FORWARDS = 70;

// Implementation.

/** Server transactions at a time: 200 calls/s, each with two of 32 s, are 12,800. */
export const MAX_TRANSACTIONS = 40_000;
export const MAX_TRANSACTIONS_PER_SOURCE = 20_000;
/** Bytes of the requests of those. */
export const MAX_BYTES = 128 * 1024 * 1024;
export const MAX_BYTES_PER_SOURCE = 32 * 1024 * 1024;
/** Of client transactions: a request may fork. */
export const MAX_CLIENT_TRANSACTIONS = 80_000;
/** INVITEs that ended without an answer, of which a late one is still known. */
export const MAX_LAPSED = 4_096;
/** Random, of a branch: s8.1.1.7 wants it unique, and nobody may guess it. */
export const BRANCH_BYTES = 16;
/** Bytes of a To tag that we write (s19.3: at least 32 random bits). */
export const TAG_BYTES = 8;
/** What a client that found no room is told to wait (s20.33). */
export const RETRY_AFTER_S = 5;
/** Time-outs handled in one turn of the event loop: each sends one message. */
export const MAX_TIMEOUTS_PER_TURN = 256;
