// Specification

/** RFC 3261 s7.3.3, s20, and the compact names that were registered since (RFC 3515, 3841, 3892, 4028, 4474, 6665). */
export const COMPACT_NAMES: ReadonlyMap<string, string> = new Map([
  ['a', 'accept-contact'],
  ['b', 'referred-by'],
  ['c', 'content-type'],
  ['d', 'request-disposition'],
  ['e', 'content-encoding'],
  ['f', 'from'],
  ['i', 'call-id'],
  ['j', 'reject-contact'],
  ['k', 'supported'],
  ['l', 'content-length'],
  ['m', 'contact'],
  ['n', 'identity-info'],
  ['o', 'event'],
  ['r', 'refer-to'],
  ['s', 'subject'],
  ['t', 'to'],
  ['u', 'allow-events'],
  ['v', 'via'],
  ['x', 'session-expires'],
  ['y', 'identity'],
]);

/** Fields that are comma lists (RFC 3261 s7.3.1): of any other field a comma is part of the value, as in Authorization or Date. */
export const COMMA_LISTS: ReadonlySet<string> = new Set([
  'accept',
  'accept-contact',
  'accept-encoding',
  'accept-language',
  'alert-info',
  'allow',
  'allow-events',
  'call-info',
  'contact',
  'content-encoding',
  'content-language',
  'diversion',
  'error-info',
  'history-info',
  'in-reply-to',
  'p-asserted-identity',
  'p-associated-uri',
  'p-preferred-identity',
  'path',
  'permission-missing',
  'proxy-require',
  'reason',
  'record-route',
  'reject-contact',
  'request-disposition',
  'require',
  'route',
  'security-client',
  'security-server',
  'security-verify',
  'service-route',
  'supported',
  'trigger-consent',
  'unsupported',
  'via',
  'warning',
]);

/** RFC 3261 s8.1.1.7: what begins the branch of an element that follows RFC 3261. */
export const MAGIC_COOKIE = 'z9hG4bK';

/** RFC 3261 s8.1.1.5 says 2**31 for what one sends; RFC 4475 s3.1.2.4 takes what 32 bits hold. */
export const MAX_CSEQ = 2 ** 32 - 1;

/** RFC 3261 s20.22. */
export const MAX_MAX_FORWARDS = 255;

// Implementation

/** What a UDP datagram holds (RFC 3261 s18.1.1: implementations must be able to handle that much), and enough on streams. */
export const MAX_MESSAGE_BYTES = 65_535;

/** Rows; an INVITE of a phone through several proxies has 30. */
export const MAX_HEADERS = 256;

/** Of one field, in all of its rows: a Via for each hop, of which there are 255 at most. */
export const MAX_VALUES = 256;
