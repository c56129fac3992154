// Implementation constants.

/** A datagram. */
export const MAX_NG_BYTES = 65_507;

/** On loopback an answer takes a millisecond; a repetition with the same cookie is answered as the first was. */
export const NG_REPEAT_MS: readonly number[] = [100, 200, 400];
/** In all: before the phone that waits says its INVITE again often. */
export const NG_TIMEOUT_MS = 1_200;
/** Commands that wait for an answer. */
export const MAX_NG_COMMANDS = 256;
export const NG_COOKIE_BYTES = 8;

/** Requests of which it is remembered whether they had a session description, until their answers have come. */
export const MAX_EXCHANGES = 512;

/** Of a Call-ID: longer ones are no phone's. */
export const MAX_CALL_ID_LENGTH = 512;

/** Of those between families. */
export const MAX_RELAYED_CALLS = 256;
