// Implementation constants.

/** From the first packet to a usable link, all tries together; a phone's own patience (SIP timer B) is 32 s. */
export const RESOLVE_TIMEOUT_MS = 10_000;

/** After a failure the same address is refused without asking anyone: a program that retries in a loop costs no messages. */
export const REFUSAL_HOLD_MS = 1_000;

/** An unanswered attempt to connect is made again: the peer may have moved while it was asked. */
export const CONNECT_RETRY_MS = 3_000;

/** Addresses in resolution at a time; a port scan of the overlay's range must not fill the memory. */
export const MAX_PENDING = 256;

/** Failures and set-up times remembered. */
export const MAX_REMEMBERED = 1_024;
