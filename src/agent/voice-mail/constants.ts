import { MAIL_CONTENT_BYTES, MAX_MAIL_PARTS } from '../../overlay/storage/mail-value.ts';

/** Of Ogg Opus: two minutes at 16 kbit/s. With what sealing takes it has MAX_MAIL_PARTS parts. */
export const MAX_RECORDING_BYTES = MAX_MAIL_PARTS * MAIL_CONTENT_BYTES - 1_280;
/** Parts that are stored or fetched at once. */
export const PARTS_AT_ONCE = 8;
