import { parseCSeq } from '../message/cseq.ts';
import { firstHeader } from '../message/headers.ts';
import type { SipMessage } from '../message/message.ts';
import { tagOf } from '../transaction/responses.ts';
import { MAX_EXCHANGES } from './constants.ts';

/** What a session description is, and who of the two ends said the offer: `ng` wants its tag first. */
export interface SessionRole {
  readonly type: 'offer' | 'answer';
  readonly offerer: string;
  /** '' of a dialog's first offer. */
  readonly answerer: string;
}

/** Those that carry offers and answers (RFC 6337 s2.2). Of OPTIONS it is what a phone can do. */
const METHODS: readonly (string | undefined)[] = ['INVITE', 'ACK', 'PRACK', 'UPDATE'];

/** Whether a session description in it is an offer or an answer; else it says what its sender can do (RFC 3261 s11.2, s21.4.26). */
export function isOfSession(message: SipMessage): boolean {
  const isRefusal = message.type === 'response' && message.status >= 300;
  return !isRefusal && METHODS.includes(parseCSeq(firstHeader(message, 'cseq') ?? '')?.method);
}

/** Which session description is an offer and which an answer (RFC 3264, RFC 6337): an answer follows what came with its request. */
export class Exchanges {
  /** Whether a request had one; the longest unused first. */
  private readonly requests = new Map<string, boolean>();

  /** Of each message that is passed on. @returns undefined when what it carries is no part of a session. */
  roleOf(message: SipMessage, hasSession: boolean): SessionRole | undefined {
    const cseq = parseCSeq(firstHeader(message, 'cseq') ?? '');
    if (cseq === undefined || !isOfSession(message)) return undefined;
    const [local, remote] = [tagOf(message, 'from'), tagOf(message, 'to')];
    const key = (number: number | string, method: string): string =>
      `${firstHeader(message, 'call-id') ?? ''} ${local} ${number} ${method}`;
    if (message.type === 'response') {
      // Of a request that was forgotten: most of them have an offer.
      return this.requests.get(key(cseq.number, cseq.method)) === false
        ? { type: 'offer', offerer: remote, answerer: local }
        : { type: 'answer', offerer: local, answerer: remote };
    }
    const [, acknowledged = ''] = (firstHeader(message, 'rack') ?? '').split(/[ \t]+/);
    const answers =
      cseq.method === 'ACK' ||
      (cseq.method === 'PRACK' && this.requests.get(key(Number(acknowledged), 'INVITE')) === false);
    if (cseq.method !== 'ACK') this.note(key(cseq.number, cseq.method), hasSession);
    return answers
      ? { type: 'answer', offerer: remote, answerer: local }
      : { type: 'offer', offerer: local, answerer: remote };
  }

  private note(key: string, hasSession: boolean): void {
    this.requests.delete(key);
    this.requests.set(key, hasSession);
    const [oldest] = this.requests.keys();
    if (this.requests.size > MAX_EXCHANGES && oldest !== undefined) this.requests.delete(oldest);
  }
}
