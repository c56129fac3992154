import type { Random } from '../../base/random.ts';
import { headerRows } from '../message/headers.ts';
import type { SipHeader, SipMessage, SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { TAG_BYTES } from './constants.ts';

/** The response of a server (RFC 3261 s8.2.6.2): with a tag in To, unless it is 100 or the request had one. */
export function responseTo(
  request: SipRequest,
  answer: { readonly status: number; readonly reason: string; readonly headers?: readonly SipHeader[] | undefined },
  random: Random,
): SipResponse {
  const { status, reason, headers = [] } = answer;
  return {
    type: 'response',
    status,
    reason,
    headers: [...common(request, (to) => tagged(to, random)), ...headers],
    body: new Uint8Array(),
  };
}

/** RFC 3261 s8.2.6.1. */
export function tryingOf(request: SipRequest): SipResponse {
  const headers = [...common(request, (to) => to), ...headerRows(request.headers, 'timestamp')];
  return { type: 'response', status: 100, reason: 'Trying', headers, body: new Uint8Array() };
}

/** The tag of From or To; '' without one. */
export function tagOf(message: SipMessage, name: 'from' | 'to'): string {
  const value = headerRows(message.headers, name)[0]?.value;
  return (value === undefined ? undefined : parseNameAddr(value)?.params.get('tag')) ?? '';
}

function common(request: SipRequest, to: (value: string) => string): SipHeader[] {
  return [
    ...headerRows(request.headers, 'via'),
    ...headerRows(request.headers, 'from').slice(0, 1),
    ...headerRows(request.headers, 'to')
      .slice(0, 1)
      .map(({ name, value }) => ({ name, value: to(value) })),
    ...headerRows(request.headers, 'call-id').slice(0, 1),
    ...headerRows(request.headers, 'cseq').slice(0, 1),
  ];
}

/** As it was written, with a tag of ours behind it where there is none. */
function tagged(to: string, random: Random): string {
  const address = parseNameAddr(to);
  if (address === undefined || address.params.has('tag')) return to;
  return `${to};tag=${Buffer.from(random.bytes(TAG_BYTES)).toString('hex')}`;
}
