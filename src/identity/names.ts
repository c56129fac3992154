/** Labels as in host names (RFC 1123 s2.1), lower case, so that one name has one spelling and one Resource-ID. */
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const DOMAIN = `${LABEL}(?:\\.${LABEL})*`;
const OVERLAY_NAME = new RegExp(`^${DOMAIN}$`);
/** A starting `+` lets telephone numbers be user names. */
const USER_NAME = new RegExp(`^[a-z0-9+](?:[a-z0-9._+-]{0,62}[a-z0-9])?@${DOMAIN}$`);

/** Lets a name and what surrounds it (URI, e-mail form) stay below 255 bytes everywhere. */
const MAX_OVERLAY_NAME_LENGTH = 128;
const MAX_USER_NAME_LENGTH = 192;

/** The overlay name: `instance-name` of the configuration document, reg-name in reload URIs (RFC 6940 s11.1, s14.15). */
export function isOverlayName(text: string): boolean {
  return text.length <= MAX_OVERLAY_NAME_LENGTH && OVERLAY_NAME.test(text);
}

/** `alice@example.net`, lower case; the rfc822Name of certificates (RFC 6940 s11.3). */
export function isUserName(text: string): boolean {
  return text.length <= MAX_USER_NAME_LENGTH && USER_NAME.test(text);
}
