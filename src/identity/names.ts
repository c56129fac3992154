/*
 * One grammar for users, hosts, the DNS and SIP: the user `alice@home.example` has the host name `alice.home.example` and the
 * address `sip:alice@home.example`. So a user's own part is one label of a host name, and lower case, so that one name has one
 * spelling and one Resource-ID. A telephone number is such a label by its digits alone; the `+` of E.164 is no letter of host
 * names and is left out.
 */

/** RFC 1123 s2.1: letters, digits and hyphens, at most 63. */
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const ONE_LABEL = new RegExp(`^${LABEL}$`);
/** At least two labels, the last with a letter: neither `com` nor an IPv4 address. */
const OVERLAY_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*\\.(?![0-9]+$)${LABEL}$`);

/** A label, a dot and the overlay's name, below `_sip._udp.`, stay below the 253 characters of a name in the DNS. */
const MAX_OVERLAY_NAME_LENGTH = 128;

/** `sip:voicemail@home.example` is what phones call to hear the messages of their user: nobody new is called so. */
export const MAILBOX_LABEL = 'voicemail';

/** What members are called within their overlay: `alice`. */
export function isMemberLabel(text: string): boolean {
  return ONE_LABEL.test(text);
}

/**
 * The overlay's name, `home.example`: `instance-name` of the configuration document, reg-name in reload URIs (RFC 6940 s11.1,
 * s14.15), and the domain of its users and hosts.
 */
export function isOverlayName(text: string): boolean {
  return text.length <= MAX_OVERLAY_NAME_LENGTH && OVERLAY_NAME.test(text);
}

/** `alice@home.example`; the rfc822Name of certificates (RFC 6940 s11.3). */
export function isUserName(text: string): boolean {
  const at = text.indexOf('@');
  return at > 0 && isMemberLabel(text.slice(0, at)) && isOverlayName(text.slice(at + 1));
}

/** Users of an overlay have its name behind the @. */
export function isUserOf(user: string, overlay: string): boolean {
  return user.endsWith(`@${overlay}`) && isMemberLabel(user.slice(0, -overlay.length - 1));
}

/** What a machine's own name makes of a member: `my-host` of `My_Host.lan`. Undefined: nothing. */
export function labelOfMachine(name: string): string | undefined {
  const [first = ''] = name.toLowerCase().split('.');
  const label = first
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-|-$/g, '');
  return isMemberLabel(label) ? label : undefined;
}

/** `alice` of `alice@home.example`. */
export function labelOfUser(user: string): string {
  return user.slice(0, user.indexOf('@'));
}

/** `alice.home.example`: the name of a host, in the DNS. */
export function isHostName(text: string): boolean {
  const dot = text.indexOf('.');
  return dot > 0 && isMemberLabel(text.slice(0, dot)) && isOverlayName(text.slice(dot + 1));
}
