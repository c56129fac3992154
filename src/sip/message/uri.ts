import { isIpAddress } from '../../base/ip-address.ts';
import { readOnce } from './read-once.ts';
import { decodeText, encodeText } from './text.ts';

/** RFC 3261 s19.1.1. Escapes are undone in user, password and parameters, and made again by `formatUri`. */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** In lower case, an IPv6 address without brackets. */
  readonly host: string;
  readonly port?: number | undefined;
  /** Names in lower case; '' without a value. */
  readonly params: ReadonlyMap<string, string>;
  /** What follows the `?`, as it was written; '' without. */
  readonly headers: string;
}

const HOSTNAME = /^[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?\.?$/;
const VISIBLE = /^[\x21-\x7e]+$/;
/** What stands unescaped in the user part (unreserved and user-unreserved), the password, and parameters (param-unreserved). */
const USER = /[^A-Za-z0-9\-_.!~*'()&=+$,;?/]/gu;
const PASSWORD = /[^A-Za-z0-9\-_.!~*'()&=+$,]/gu;
const PARAM = /[^A-Za-z0-9\-_.!~*'()[\]/:&+$]/gu;

/** Of any URI, in lower case (RFC 3986 s3.1). */
export function uriScheme(text: string): string | undefined {
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
}

/** RFC 5031: what some phones dial for help, whatever the number is where they are. */
export function isSosUrn(text: string): boolean {
  return /^urn:service:sos(?:\.[a-z.-]{1,64})?$/i.test(text);
}

const knownUris = readOnce(readUri);

/** @returns undefined for what is no SIP or SIPS URI. */
export function parseUri(text: string): SipUri | undefined {
  return knownUris(text);
}

function readUri(text: string): SipUri | undefined {
  const scheme = uriScheme(text);
  if ((scheme !== 'sip' && scheme !== 'sips') || !VISIBLE.test(text) || /[<>"\\^`{|}]/.test(text)) return undefined;
  const afterScheme = text.slice(scheme.length + 1);
  // RFC 3261 s25.1: `;` and `?` may stand in the user part, `@` nowhere else unescaped.
  const userEnd = afterScheme.indexOf('@');
  const userInfo = userEnd === -1 ? undefined : afterScheme.slice(0, userEnd);
  const [beforeHeaders = '', ...headers] = afterScheme.slice(userEnd + 1).split('?');
  const [hostPort = '', ...parameters] = beforeHeaders.split(';');
  const place = parseHostPort(hostPort);
  const params = parseUriParams(parameters);
  if (place === undefined || params === undefined || userInfo === '' || headers.join('?').includes('@'))
    return undefined;
  if (beforeHeaders.includes('@') || headers.length > 1 || headers[0] === '') return undefined;
  const colon = userInfo?.indexOf(':') ?? -1;
  const user = userInfo === undefined ? undefined : unescape(colon === -1 ? userInfo : userInfo.slice(0, colon));
  const password = colon === -1 ? undefined : unescape(userInfo?.slice(colon + 1) ?? '');
  if (user === '' || (userInfo !== undefined && user === undefined)) return undefined;
  if (colon !== -1 && password === undefined) return undefined;
  return { scheme, user, password, ...place, params, headers: headers[0] ?? '' };
}

export function formatUri({ scheme, user, password, host, port, params, headers }: SipUri): string {
  const secret = password === undefined ? '' : `:${escape(password, PASSWORD)}`;
  const userInfo = user === undefined ? '' : `${escape(user, USER)}${secret}@`;
  const parameters = [...params].map(([name, value]) => {
    const escaped = escape(name, PARAM);
    return value === '' ? `;${escaped}` : `;${escaped}=${escape(value, PARAM)}`;
  });
  return `${scheme}:${userInfo}${formatHostPort(host, port)}${parameters.join('')}${headers === '' ? '' : `?${headers}`}`;
}

/** `host [":" port]` of a URI or a Via; undefined when it is none. */
export function parseHostPort(text: string): { host: string; port: number | undefined } | undefined {
  const close = text.startsWith('[') ? text.indexOf(']') : -1;
  const colon = text.indexOf(':', close + 1);
  const written = (colon === -1 ? text : text.slice(0, colon)).toLowerCase();
  const port = colon === -1 ? undefined : text.slice(colon + 1);
  if (port !== undefined && (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)) return undefined;
  const host = close === -1 ? hostName(written) : ipv6Reference(written);
  return host === undefined ? undefined : { host, port: port === undefined ? undefined : Number(port) };
}

export function formatHostPort(host: string, port: number | undefined): string {
  const written = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? written : `${written}:${port}`;
}

function hostName(text: string): string | undefined {
  return text.length <= 255 && HOSTNAME.test(text) && !text.includes('..') ? text : undefined;
}

function ipv6Reference(text: string): string | undefined {
  if (!text.endsWith(']')) return undefined;
  // RFC 5118 s4.10: the grammar of RFC 3261 lets three colons stand before an IPv4 address.
  const address = text.slice(1, -1).replace(':::', '::');
  return address.length <= 45 && address.includes(':') && isIpAddress(address) ? address : undefined;
}

function parseUriParams(parts: readonly string[]): Map<string, string> | undefined {
  const params = new Map<string, string>();
  for (const part of parts) {
    const equals = part.indexOf('=');
    const name = unescape(equals === -1 ? part : part.slice(0, equals))?.toLowerCase();
    const value = equals === -1 ? '' : unescape(part.slice(equals + 1));
    // RFC 3261 s19.1.1: a parameter stands once.
    if (name === undefined || name === '' || value === undefined || params.has(name)) return undefined;
    params.set(name, value);
  }
  return params;
}

/** @returns undefined when a `%` is followed by no two hexadecimal digits. */
function unescape(text: string): string | undefined {
  if (!text.includes('%')) return text;
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== '%') {
      bytes.push(text.charCodeAt(at));
      continue;
    }
    const digits = text.slice(at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return undefined;
    bytes.push(Number.parseInt(digits, 16));
    at += 2;
  }
  return decodeText(Uint8Array.from(bytes));
}

function escape(text: string, reserved: RegExp): string {
  return text.replaceAll(reserved, (character) =>
    [...encodeText(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}
