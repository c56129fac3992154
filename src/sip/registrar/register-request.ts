import { parseCSeq } from '../message/cseq.ts';
import { firstHeader, headerValues } from '../message/headers.ts';
import type { SipHeader, SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { parseUri, type SipUri } from '../message/uri.ts';
import { MAX_BINDINGS, MAX_CALL_ID_LENGTH, MIN_EXPIRES_S, TOO_BRIEF_S } from './constants.ts';
import { type ContactField, parseContact } from './contact-field.ts';

/** Of requests that change nothing. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: readonly SipHeader[];
}

/** What a REGISTER asks for (RFC 3261 s10.2). */
export interface RegisterRequest {
  readonly requestUri: SipUri;
  readonly to: SipUri;
  readonly callId: string;
  readonly cseq: number;
  readonly changes:
    | { readonly type: 'none' }
    /** Contact: * */
    | { readonly type: 'removeAll' }
    | { readonly type: 'contacts'; readonly contacts: readonly ContactField[] };
  /** Option tags of Supported and Require. */
  readonly supported: ReadonlySet<string>;
  readonly required: readonly string[];
  /** No proxy was on the way. */
  readonly isFirstHop: boolean;
}

/** The whole request is understood, or none of it is carried out (RFC 3261 s10.3). */
export function readRegister(request: SipRequest): RegisterRequest | Refusal {
  const requestUri = parseUri(request.uri);
  const to = parseUri(parseNameAddr(firstHeader(request, 'to') ?? '')?.uri ?? '');
  const callId = firstHeader(request, 'call-id') ?? '';
  const cseq = parseCSeq(firstHeader(request, 'cseq') ?? '');
  if (requestUri === undefined) return badRequest('Malformed Request-URI');
  if (to === undefined) return badRequest('Malformed To');
  if (!/^\S+$/.test(callId) || callId.length > MAX_CALL_ID_LENGTH) return badRequest('Malformed Call-ID');
  if (cseq?.method !== 'REGISTER') return badRequest('Malformed CSeq');
  const changes = readContacts(request);
  if ('status' in changes) return changes;
  const required = optionTags(request, 'require');
  return {
    ...{ requestUri, to, callId, cseq: cseq.number, changes, required },
    supported: new Set([...optionTags(request, 'supported'), ...required]),
    isFirstHop: headerValues(request, 'via').length === 1,
  };
}

function readContacts(request: SipRequest): RegisterRequest['changes'] | Refusal {
  const values = headerValues(request, 'contact');
  const expires = firstHeader(request, 'expires');
  if (values.length === 0) return { type: 'none' };
  // s10.3, step 6.
  if (values.includes('*'))
    return values.length === 1 && /^0+$/.test(expires ?? '')
      ? { type: 'removeAll' }
      : badRequest('Contact * Goes Alone, With Expires 0');
  if (values.length > MAX_BINDINGS) return badRequest('Too Many Contacts');
  const contacts: ContactField[] = [];
  for (const value of values) {
    const contact = parseContact(value, expires);
    if (contact === undefined) return badRequest('Contact Is No SIP URI');
    if (contact.expiresS > 0 && contact.expiresS < TOO_BRIEF_S)
      return { status: 423, reason: 'Interval Too Brief', headers: [header('Min-Expires', MIN_EXPIRES_S)] };
    contacts.push(contact);
  }
  return { type: 'contacts', contacts };
}

function optionTags(request: SipRequest, name: string): string[] {
  return headerValues(request, name).map((tag) => tag.toLowerCase());
}

export function badRequest(reason: string): Refusal {
  return { status: 400, reason };
}

export function header(name: string, value: string | number): SipHeader {
  return { name, value: String(value) };
}
