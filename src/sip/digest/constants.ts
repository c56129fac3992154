// Implementation constants.

/** A phone keeps its nonce for the next requests so long, and asks for another one then (`stale=true`). */
export const NONCE_LIFETIME_MS = 300_000;

/** Nonces whose `nc` is remembered: of each phone there are one or two. Older ones are stale when there are more. */
export const MAX_NONCES = 1_024;

export const NONCE_SECRET_BYTES = 32;
export const NONCE_RANDOM_BYTES = 6;
/** Of its HMAC. */
export const NONCE_MAC_BYTES = 16;

/** Phones write 300 to 500 characters. */
export const MAX_CREDENTIALS_LENGTH = 2_048;
/** RFC 7616 s3.4 has 12. */
export const MAX_DIGEST_PARAMS = 24;
/** Of our realm in one request: one for each algorithm. */
export const MAX_CREDENTIALS = 2;

/** Addresses of phones of which it is remembered how they were asked. */
export const MAX_ASKED = 256;

/** Wrong passwords of one address: so many at once, and another one each so often. */
export const MAX_WRONG = 5;
export const WRONG_EVERY_MS = 20_000;
/** Addresses of which wrong passwords are counted; an IPv6 network of /64 is one. */
export const MAX_WRONG_ADDRESSES = 1_024;
