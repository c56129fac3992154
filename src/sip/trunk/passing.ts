import { isOfSession } from '../media/exchanges.ts';
import { headerRows, headerValues } from '../message/headers.ts';
import type { SipHeader, SipMessage, SipResponse } from '../message/message.ts';
import { formatNameAddr, parseNameAddr } from '../message/name-addr.ts';
import { READABLE, sessionIn } from '../sdp/session-parts.ts';
import type { Abilities } from './call-side.ts';

const METHODS = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'INFO', 'UPDATE', 'PRACK'];

/** What this gateway understands and answers: for the world outside it calls nobody, so no REFER. */
export const DOES: Readonly<Record<'inside' | 'outside', Abilities>> = {
  // RFC 3891: of members' calls, which the gateway does itself.
  inside: { allow: [...METHODS, 'REFER'], supported: ['replaces'] },
  outside: { allow: METHODS, supported: [] },
};

/** Fields that mean the same on both sides. */
const PASSED = [
  ...['accept', 'session-expires', 'min-se', 'reason', 'info-package', 'warning', 'retry-after', 'date', 'subject'],
  ...['rseq', 'rack', 'unsupported'],
];
const OF_BODY = ['content-type', 'content-disposition', 'content-encoding', 'content-language', 'mime-version'];
/** RFC 4028: its timers are refreshed end to end. RFC 3262: what rings is acknowledged end to end, with the numbers of each leg. */
const EXTENSIONS = ['timer', '100rel'];

/** Fields of a request or response that go to the other side. @param does absent: nothing is said of it */
export function passedHeaders(message: SipMessage, does?: Abilities): SipHeader[] {
  const names = message.body.length === 0 ? PASSED : [...OF_BODY, ...PASSED];
  const rows = names.flatMap((name) => headerRows(message.headers, name));
  const lists = ['Supported', 'Require'].flatMap((name) => {
    const known = headerValues(message, name).filter((option) => EXTENSIONS.includes(option.toLowerCase()));
    const all = name === 'Supported' ? [...known, ...(does?.supported ?? [])] : known;
    return all.length === 0 ? [] : [{ name, value: all.join(', ') }];
  });
  return [...(does === undefined ? [] : [allowing(does)]), ...rows, ...lists];
}

/** What says what the body is. */
export function bodyHeaders(message: SipMessage): SipHeader[] {
  return OF_BODY.flatMap((name) => headerRows(message.headers, name));
}

/** What is answered to OPTIONS (RFC 3261 s11.2). */
export function capabilities(does: Abilities): SipHeader[] {
  return [allowing(does), ...READABLE, { name: 'Supported', value: [...EXTENSIONS, ...does.supported].join(', ') }];
}

export function allowing({ allow }: Abilities): SipHeader {
  return { name: 'Allow', value: allow.join(', ') };
}

/** Extensions that a request cannot do without and that do not pass (RFC 3261 s8.2.2.3). */
export function unsupported(message: SipMessage, { supported }: Abilities): string[] {
  const known = [...EXTENSIONS, ...supported];
  return headerValues(message, 'require').filter((option) => !known.includes(option.toLowerCase()));
}

/** Whether it offers media, or answers an offer. */
export function isDescribing(message: SipMessage): boolean {
  return isOfSession(message) && sessionIn(message) !== 'none';
}

/** Who asks for the password asks the gateway, which has no better one. */
export function unchallenged(response: SipResponse): SipResponse {
  const isChallenge = response.status === 401 || response.status === 407;
  return isChallenge ? { ...response, status: 503, reason: 'Gateway Not Let In' } : response;
}

/** Of a From or To as it came. */
export function withoutTag(value: string): string {
  const parsed = parseNameAddr(value);
  if (parsed === undefined) return value;
  const params = new Map([...parsed.params].filter(([name]) => name !== 'tag'));
  return formatNameAddr({ ...parsed, params });
}
