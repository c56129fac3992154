import { isToken, isSpace, trimSpace } from './headers.ts';
import { formatParams, type HeaderParams, isQuotedString, parseParams, quote, unquote } from './params.ts';
import { readOnce } from './read-once.ts';
import { uriScheme } from './uri.ts';

/** A value of From, To, Contact, Route, P-Asserted-Identity... (RFC 3261 s20.10). */
export interface NameAddr {
  /** Without its quotes; '' without one. */
  readonly displayName: string;
  /** As it was written: it may have any scheme (`parseUri` reads those of SIP). */
  readonly uri: string;
  readonly params: HeaderParams;
}

const knownAddresses = readOnce(readNameAddr);

/**
 * `"Bob" <sip:bob@home.example;lr>;tag=1`, or without <>: then parameters are the field's, not the URI's (RFC 3261 s20).
 * @returns undefined for what is none.
 */
export function parseNameAddr(text: string): NameAddr | undefined {
  return knownAddresses(text);
}

function readNameAddr(text: string): NameAddr | undefined {
  const value = trimSpace(text);
  const open = openingBracket(value);
  if (open === undefined) return undefined;
  if (open === -1) return parseAddrSpec(value);
  const close = value.indexOf('>', open);
  const displayName = trimSpace(value.slice(0, open));
  const uri = value.slice(open + 1, Math.max(close, 0));
  const params = close === -1 ? undefined : parseParams(value.slice(close + 1));
  if (params === undefined || !isUri(uri) || !isDisplayName(displayName)) return undefined;
  return { displayName: unquote(displayName), uri, params };
}

export function formatNameAddr({ displayName, uri, params }: NameAddr): string {
  return `${displayName === '' ? '' : `${quote(displayName)} `}<${uri}>${formatParams(params)}`;
}

/** RFC 3261 s20: without <>, a URI has no comma, question mark or semicolon of its own. */
function parseAddrSpec(value: string): NameAddr | undefined {
  const end = value.indexOf(';');
  const uri = trimSpace(end === -1 ? value : value.slice(0, end));
  const params = parseParams(end === -1 ? '' : value.slice(end));
  return params === undefined || !isUri(uri) || /[,?]/.test(uri) ? undefined : { displayName: '', uri, params };
}

/** Where the `<` is that is not in a quoted string in front; -1: nowhere; undefined: the quoted string does not end. */
function openingBracket(value: string): number | undefined {
  if (!value.startsWith('"')) return value.indexOf('<');
  let at = 1;
  while (at < value.length && value[at] !== '"') at += value[at] === '\\' ? 2 : 1;
  if (at >= value.length) return undefined;
  at += 1;
  while (isSpace(value[at])) at += 1;
  return value[at] === '<' ? at : undefined;
}

/** A quoted string, or tokens (RFC 4475 s3.1.1.6: with no space needed behind them); beyond ASCII is let pass unquoted. */
function isDisplayName(text: string): boolean {
  if (text === '' || isQuotedString(text)) return true;
  // eslint-disable-next-line no-control-regex -- all of ASCII
  return text.split(/[ \t]+/).every((word) => isToken(word.replaceAll(/[^\x00-\x7f]/g, '_')));
}

function isUri(text: string): boolean {
  return uriScheme(text) !== undefined && /^[\x21-\x7e]+$/.test(text) && !/[<>"]/.test(text);
}
