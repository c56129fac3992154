/** Where the service puts it; the folder is systemd's RuntimeDirectory. */
export const DEFAULT_SOCKET = '/run/idloc/idloc.sock';
/** The owner and the group `idloc` may command the agent, nobody else. */
export const SOCKET_MODE = 0o660;
/** One request or one answer: a status with ten thousand links fits. */
export const MAX_LINE_BYTES = 8 * 1024 * 1024;
/** The largest is the export of an authority with some thousand members; whoever sends more is no client of ours. */
export const MAX_REQUEST_BYTES = 2 * 1024 * 1024;
/** Files of phones that a user has in the overlay. */
export const MAX_PHONE_FILES = 16;
/** Of one. */
export const MAX_PHONE_FILE_BYTES = 65_536;
/** Of more the one gives way that has asked nothing for longest; those that wait for an answer stay. */
export const MAX_CLIENTS = 32;
/** What the server answers by itself: a client may ask for it while it waits for another answer. */
export const ALIVE = 'alive';
/** Requests of one client that wait for an answer. */
export const MAX_PENDING_REQUESTS = 16;
/** Answers of one client that it has not read: two of the largest. */
export const MAX_UNREAD_BYTES = 2 * MAX_LINE_BYTES;
/** For the answers that are being written when the agent ends. */
export const STOP_GRACE_MS = 500;
/** What a file of a phone is kept under: nothing that moves the cursor, or looks like nothing. */
export const PHONE_FILE_NAME = /^(?!\s)[^\p{C}\p{Zl}\p{Zp}]+(?<!\s)$/u;
export const MAX_PHONE_FILE_NAME = 64;
