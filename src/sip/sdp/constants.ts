// Implementation

/** Of one session description, that may hold an address: an offer of ICE for audio and video has 40; a body with more is left as it is. */
export const MAX_ADDRESS_LINES = 256;

/** A line with an address is 200 characters long at most; longer ones are none of them. */
export const MAX_LINE_CHARACTERS = 512;

/** Parts of a multipart body, in all; phones send two. */
export const MAX_PARTS = 32;

/** Of multipart bodies within each other. */
export const MAX_DEPTH = 3;
