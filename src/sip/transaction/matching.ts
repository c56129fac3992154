import type { SipFlow } from '../flow.ts';
import { MAGIC_COOKIE } from '../message/constants.ts';
import { parseCSeq } from '../message/cseq.ts';
import { firstHeader } from '../message/headers.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { parseVia, type SipVia } from '../message/via.ts';
import { tagOf } from './responses.ts';

/** Of one request, the keys of what it may belong to (RFC 3261 s17.2.3). */
export interface ServerKeys {
  /** Of its own transaction. */
  readonly own: string;
  /** Of the INVITE with the same branch, for CANCEL and ACK. */
  readonly invite: string;
  /** Where the client is of RFC 2543 an INVITE has a second key, for its ACK: it has the To tag of our response. */
  readonly ackTo: ((toTag: string) => string) | undefined;
}

/**
 * By branch, sent-by and method; where the branch is not of RFC 3261, by what identifies a transaction of RFC 2543. The source
 * address is part of it: those behind a proxy have read its branches, and shall not cancel what is not theirs.
 */
export function serverKeys(request: SipRequest, via: SipVia, { remote }: SipFlow): ServerKeys {
  const branch = via.params.get('branch') ?? '';
  if (branch.startsWith(MAGIC_COOKIE)) {
    const place = `${remote.address} ${via.host} ${via.port ?? ''} ${branch}`;
    return { own: `${request.method} ${place}`, invite: `INVITE ${place}`, ackTo: undefined };
  }
  const place = [
    ...[remote.address, request.uri, tagOf(request, 'from'), firstHeader(request, 'call-id') ?? ''],
    ...[parseCSeq(firstHeader(request, 'cseq') ?? '')?.number ?? '', firstHeader(request, 'via') ?? ''],
  ].join('\n');
  const toTag = tagOf(request, 'to');
  const ackTo = (tag: string): string => `ACK\n${tag}\n${place}`;
  if (request.method === 'ACK') return { own: ackTo(toTag), invite: ackTo(toTag), ackTo };
  return { own: `${request.method}\n${toTag}\n${place}`, invite: `INVITE\n${toTag}\n${place}`, ackTo };
}

/** By branch and the method of CSeq (s17.1.3); undefined: no response to any request of ours. */
export function clientKeyOf(response: SipResponse): string | undefined {
  const branch = parseVia(firstHeader(response, 'via') ?? '')?.params.get('branch');
  const method = parseCSeq(firstHeader(response, 'cseq') ?? '')?.method;
  return branch === undefined || method === undefined ? undefined : clientKey(branch, method);
}

export function clientKey(branch: string, method: string): string {
  return `${method} ${branch}`;
}
