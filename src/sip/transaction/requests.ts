import { parseCSeq } from '../message/cseq.ts';
import { firstHeader, headerRows } from '../message/headers.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { MAX_FORWARDS } from './constants.ts';

/** The ACK of a response that is no 2xx (RFC 3261 s17.1.1.3). */
export function ackOf(invite: SipRequest, response: SipResponse): SipRequest {
  return companion(invite, 'ACK', firstHeader(response, 'to') ?? firstHeader(invite, 'to') ?? '', []);
}

/** RFC 3261 s9.1. */
export function cancelOf(invite: SipRequest, headers: readonly SipHeader[]): SipRequest {
  return companion(invite, 'CANCEL', firstHeader(invite, 'to') ?? '', headers);
}

/** What goes the way of the INVITE, in its name: the same top Via, Request-URI, Route, and CSeq number. */
function companion(invite: SipRequest, method: string, to: string, headers: readonly SipHeader[]): SipRequest {
  const number = parseCSeq(firstHeader(invite, 'cseq') ?? '')?.number ?? 0;
  return {
    type: 'request',
    method,
    uri: invite.uri,
    headers: [
      { name: 'Via', value: firstHeader(invite, 'via') ?? '' },
      ...headerRows(invite.headers, 'route'),
      { name: 'Max-Forwards', value: String(MAX_FORWARDS) },
      { name: 'From', value: firstHeader(invite, 'from') ?? '' },
      { name: 'To', value: to },
      { name: 'Call-ID', value: firstHeader(invite, 'call-id') ?? '' },
      { name: 'CSeq', value: `${number} ${method}` },
      ...headers,
    ],
    body: new Uint8Array(),
  };
}
