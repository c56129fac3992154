import { parseSip } from '../../../src/sip/message/codec.ts';
import { firstHeader, headerRows } from '../../../src/sip/message/headers.ts';
import type { SipHeader, SipRequest, SipResponse } from '../../../src/sip/message/message.ts';

export interface RequestParts {
  readonly uri?: string;
  readonly branch?: string;
  readonly via?: string;
  readonly from?: string;
  readonly to?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly headers?: readonly string[];
}

/** A request as it comes in, from a phone at 198.18.0.1:5060. */
export function request(method: string, parts: RequestParts = {}): SipRequest {
  const { uri = 'sip:bob@home.example', branch = 'z9hG4bKphone', from = 'alice@home.example', to = uri } = parts;
  const lines = [
    `${method} ${uri} SIP/2.0`,
    `Via: ${parts.via ?? `SIP/2.0/UDP 198.18.0.1:5060;branch=${branch};rport`}`,
    'Max-Forwards: 70',
    `From: <sip:${from}>;tag=caller`,
    `To: ${to.startsWith('<') ? to : `<${to}>`}`,
    `Call-ID: ${parts.callId ?? 'one'}`,
    `CSeq: ${parts.cseq ?? 1} ${method}`,
    ...(parts.headers ?? []),
    '',
    '',
  ];
  const message = parseSip(Buffer.from(lines.join('\r\n')));
  if (message.type !== 'request') throw new Error('no request');
  return message;
}

/** The response of a server that has not read RFC 3261 s8.2.6 twice: all that is copied, and a tag. */
export function response(
  to: SipRequest,
  status: number,
  options: { readonly tag?: string; readonly headers?: readonly SipHeader[] } = {},
): SipResponse {
  const { tag = 'callee', headers = [] } = options;
  const written = firstHeader(to, 'to') ?? '';
  const copied = ['via', 'from', 'call-id', 'cseq', 'record-route'].flatMap((name) => headerRows(to.headers, name));
  const value = written.includes(';tag=') || status === 100 ? written : `${written};tag=${tag}`;
  return {
    ...{ type: 'response', status, reason: `Reason ${status}`, body: new Uint8Array() },
    headers: [...copied, { name: 'To', value }, ...headers],
  };
}
