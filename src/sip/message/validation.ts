import { canonicalAddress, isIpAddress, parseIpAddress } from '../../base/ip-address.ts';
import { Remembered } from '../../base/remembered.ts';
import { MAGIC_COOKIE, MAX_MAX_FORWARDS, MAX_VALUES } from './constants.ts';
import { contentLength } from './content-length.ts';
import { parseCSeq } from './cseq.ts';
import { firstHeader, headerRows, headerValues } from './headers.ts';
import type { SipMessage, SipRequest, SipResponse } from './message.ts';
import { parseNameAddr } from './name-addr.ts';
import { isSosUrn, parseUri, uriScheme } from './uri.ts';
import { parseVia, type SipVia } from './via.ts';

/** What a request is answered with. To an ACK there is no answer (RFC 3261 s17.1.1.3): it is dropped then. */
export interface Rejection {
  readonly status: 400 | 416 | 420 | 501 | 505;
  /** Reason phrase; for 400 what is wrong (RFC 3261 s21.4.1). */
  readonly reason: string;
  /** Of 420: the option tags for its Unsupported field. */
  readonly unsupported?: readonly string[];
}

/** RFC 3261 s8.1.1, but Max-Forwards, which elements of RFC 2543 do not send. */
const MANDATORY = ['Via', 'From', 'To', 'Call-ID', 'CSeq'];
/** Fields with one value (RFC 4475 s3.3.8). */
const SINGLE = ['From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards', 'Content-Type', 'Expires', 'Event'];
/** Those that an element here goes by; what else holds addresses is for its reader. */
const ADDRESSES = ['From', 'To', 'Contact', 'Route', 'Record-Route'];
const URI_SCHEMES: ReadonlySet<string | undefined> = new Set(['sip', 'sips', 'tel']);
/** RFC 3261 and its extensions, as IANA lists them: of any other method, a 501 says more than a 400 (RFC 4475 s3.1.2.18). */
const METHODS: ReadonlySet<string> = new Set([
  ...['ACK', 'BYE', 'CANCEL', 'INFO', 'INVITE', 'MESSAGE', 'NOTIFY'],
  ...['OPTIONS', 'PRACK', 'PUBLISH', 'REFER', 'REGISTER', 'SUBSCRIBE', 'UPDATE'],
]);

/**
 * What any element answers to such a request (RFC 3261 s8.2.1 to s8.2.2, s16.3 without its Max-Forwards, RFC 4475, RFC 5118); undefined: it
 * is well formed, and its Request-URI is of a scheme that can be asked for. Option tags of Require are the called end's to know.
 */
export function validateRequest(request: SipRequest): Rejection | undefined {
  if (request.version !== undefined) return { status: 505, reason: 'Version Not Supported' };
  const cseq = parseCSeq(firstHeader(request, 'cseq') ?? '');
  if (cseq !== undefined && cseq.method !== request.method && !METHODS.has(request.method))
    return { status: 501, reason: 'Not Implemented' };
  const wrong = syntaxError(request) ?? requestError(request);
  if (wrong !== undefined) return { status: 400, reason: wrong };
  if (!URI_SCHEMES.has(uriScheme(request.uri)) && !isSosUrn(request.uri))
    return { status: 416, reason: 'Unsupported URI Scheme' };
  // RFC 3261 s8.2.2.3: in these two, option tags are ignored.
  const unsupported = ['ACK', 'CANCEL'].includes(request.method) ? [] : headerValues(request, 'proxy-require');
  return unsupported.length > 0 ? { status: 420, reason: 'Bad Extension', unsupported } : undefined;
}

/** Why such a response is dropped; undefined: it is well formed, and does not go where nobody may send it. */
export function validateResponse(response: SipResponse): string | undefined {
  const wrong = syntaxError(response);
  if (wrong !== undefined) return wrong;
  // RFC 4475 s3.3.10: that is where a proxy would forward it to.
  const [, next] = headerValues(response, 'via').map(parseVia);
  return next !== undefined && isManyHosts(next) ? 'Via of many hosts' : undefined;
}

function requestError(request: SipRequest): string | undefined {
  const scheme = uriScheme(request.uri);
  const uri = parseUri(request.uri);
  if (scheme === undefined || !/^[\x21-\x7e]+$/.test(request.uri)) return 'Malformed Request-URI';
  if ((scheme === 'sip' || scheme === 'sips') && uri === undefined) return 'Malformed Request-URI';
  if (uri !== undefined && uri.headers !== '') return 'Header fields in Request-URI';
  if (parseCSeq(firstHeader(request, 'cseq') ?? '')?.method !== request.method) return 'CSeq of another method';
  const branch = parseVia(firstHeader(request, 'via') ?? '')?.params.get('branch');
  if (branch === MAGIC_COOKIE) return 'Branch without an identifier';
  const hops = firstHeader(request, 'max-forwards');
  if (hops !== undefined && !(/^\d{1,10}$/.test(hops) && Number(hops) <= MAX_MAX_FORWARDS))
    return 'Malformed Max-Forwards';
  return undefined;
}

function syntaxError(message: SipMessage): string | undefined {
  for (const name of MANDATORY) if (firstHeader(message, name) === undefined) return `Missing ${name}`;
  for (const name of SINGLE) if (headerRows(message.headers, name).length > 1) return `Several ${name}`;
  for (const name of ['Via', ...ADDRESSES])
    if (headerValues(message, name).length > MAX_VALUES) return `Too many ${name}`;
  for (const via of headerValues(message, 'via')) if (parseVia(via) === undefined) return 'Malformed Via';
  if (parseCSeq(firstHeader(message, 'cseq') ?? '') === undefined) return 'Malformed CSeq';
  if (!/^\S+$/.test(firstHeader(message, 'call-id') ?? '')) return 'Malformed Call-ID';
  for (const name of ADDRESSES)
    for (const value of headerValues(message, name))
      if (!isAddress(value) && !(name === 'Contact' && value === '*')) return `Malformed ${name}`;
  const length = contentLength(message.headers);
  if (length === 'invalid') return 'Malformed Content-Length';
  // What was behind the body is gone already (s18.3): only too much is left to be wrong.
  if (length !== undefined && length !== message.body.length) return 'Content-Length beyond the end';
  return undefined;
}

function isAddress(value: string): boolean {
  const address = parseNameAddr(value);
  if (address === undefined) return false;
  const scheme = uriScheme(address.uri);
  return (scheme !== 'sip' && scheme !== 'sips') || parseUri(address.uri) !== undefined;
}

const MAX_ADDRESSES = 256;
/** Asked of each response: the address of a phone, or of a member, and seldom another one. */
const manyHosts = new Remembered(
  MAX_ADDRESSES,
  (canonical) => canonical === '255.255.255.255' || parseIpAddress(canonical).isMulticast(),
);

/** Broadcast to all, or multicast. */
function isManyHosts({ host, params }: SipVia): boolean {
  const address = params.get('received')?.replaceAll(/[[\]]/g, '') ?? host;
  return isIpAddress(address) && manyHosts.get(canonicalAddress(address));
}
