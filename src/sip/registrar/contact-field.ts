import { parseNameAddr } from '../message/name-addr.ts';
import { unquote } from '../message/params.ts';
import { type SipUri, parseUri } from '../message/uri.ts';
import { DEFAULT_EXPIRES_S, MAX_INSTANCE_LENGTH, MAX_METHODS, MAX_REG_ID, MAX_URI_LENGTH } from './constants.ts';

/** A Contact of a REGISTER (RFC 3261 s20.10, RFC 3840, RFC 5626). */
export interface ContactField {
  /** As it was written. */
  readonly text: string;
  readonly uri: SipUri;
  /** Seconds that are asked for. */
  readonly expiresS: number;
  /** 0 to 1. */
  readonly q: number;
  /** +sip.instance without quotes: `<urn:uuid:...>`. */
  readonly instance: string | undefined;
  readonly regId: number | undefined;
  /** Those that the phone says it takes (RFC 3840 s10.5), in upper case. */
  readonly methods: readonly string[];
}

const INSTANCE = /^<[\x21-\x3b\x3d\x3f-\x7e]+>$/;

/**
 * @param expires of the Expires field, for a Contact that says nothing itself
 * @returns undefined for what is no SIP URI of a bearable length; parameters that are none are passed over.
 */
export function parseContact(value: string, expires: string | undefined): ContactField | undefined {
  const address = parseNameAddr(value);
  if (address === undefined || address.uri.length > MAX_URI_LENGTH) return undefined;
  const uri = parseUri(address.uri);
  if (uri?.scheme !== 'sip') return undefined;
  const { params } = address;
  const instance = unquote(params.get('+sip.instance') ?? '');
  const regId = Number(/^\d{1,10}$/.exec(params.get('reg-id') ?? '')?.[0] ?? 0);
  const isInstance = instance.length <= MAX_INSTANCE_LENGTH && INSTANCE.test(instance);
  return {
    text: address.uri,
    uri,
    expiresS: parseExpires(params.get('expires') ?? expires),
    q: parseQ(params.get('q')),
    instance: isInstance ? instance : undefined,
    // RFC 5626 s6: "a reg-id but no instance-id ... simply ignores the reg-id".
    regId: isInstance && regId >= 1 && regId <= MAX_REG_ID ? regId : undefined,
    methods: parseMethods(unquote(params.get('methods') ?? '')),
  };
}

function parseExpires(text: string | undefined): number {
  return text !== undefined && /^\d{1,20}$/.test(text) ? Number(text) : DEFAULT_EXPIRES_S;
}

function parseQ(text = '1'): number {
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 1;
}

function parseMethods(text: string): string[] {
  const methods = text.toUpperCase().split(/[ \t]*,[ \t]*/);
  return [...new Set(methods.filter((method) => /^[A-Z]{1,32}$/.test(method)))].slice(0, MAX_METHODS);
}
