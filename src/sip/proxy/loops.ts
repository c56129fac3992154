import { hash } from 'node:crypto';
import type { SipFlow } from '../flow.ts';
import { parseCSeq } from '../message/cseq.ts';
import { firstHeader, headerValues } from '../message/headers.ts';
import type { SipRequest } from '../message/message.ts';
import { tagOf } from '../transaction/responses.ts';
import { DEFAULT_MAX_BREADTH, MARK_DIGITS } from './constants.ts';

/**
 * All that says where a request goes from here, and none of what changes from hop to hop (RFC 5393 s4.2, RFC 3261 s16.6 step 8): it
 * stands in the branch of our Via, and a request that brings it back has looped.
 */
export function loopMark(request: SipRequest, { remote }: SipFlow, salt: string): string {
  const parts = [
    ...[salt, remote.address, request.uri, tagOf(request, 'from'), tagOf(request, 'to')],
    ...[firstHeader(request, 'call-id') ?? '', parseCSeq(firstHeader(request, 'cseq') ?? '')?.number ?? ''],
    ...['route', 'proxy-require', 'proxy-authorization'].map((name) => headerValues(request, name).join(',')),
  ];
  return digest(parts.join('\n'));
}

/** The branch of what is forwarded without a transaction: the same for each repetition (RFC 3261 s16.11). */
export function statelessBranch(request: SipRequest, salt: string): string {
  return digest(`${salt}\n${firstHeader(request, 'via') ?? ''}\n${tagOf(request, 'to')}`);
}

export function hasLooped(request: SipRequest, mark: string): boolean {
  return headerValues(request, 'via').some((via) => via.includes(`.${mark}`));
}

/** RFC 5393 s5.3: on how many branches a request may be at a time, at most; undefined: what it says is no number. */
export function maxBreadth(request: SipRequest): number | undefined {
  const text = firstHeader(request, 'max-breadth');
  if (text === undefined) return DEFAULT_MAX_BREADTH;
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), DEFAULT_MAX_BREADTH) : undefined;
}

function digest(text: string): string {
  return hash('sha256', text, 'hex').slice(0, MARK_DIGITS);
}
