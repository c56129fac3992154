import type { Hit } from '../base/node-id.ts';
import { firstHeader } from './message/headers.ts';
import type { SipMessage } from './message/message.ts';
import { parseNameAddr } from './message/name-addr.ts';
import { tagOf } from './transaction/responses.ts';

// Implementation constants.

const MAX_SPEAKERS = 1_024;
const MAX_KEY = 512;

/**
 * What members called themselves when a call began. A host that is given another name meanwhile goes on with the former one in
 * calls that run: its phone knows no other. Bounded; whoever is forgotten is judged by what its certificate says now.
 */
export class KnownSpeakers {
  /** By host, call and name, the longest unused first. */
  private readonly known = new Set<string>();

  get size(): number {
    return this.known.size;
  }

  /** A request or response whose sender has proven to be whom it says. */
  learn(message: SipMessage, hit: Hit): void {
    const isFirst = message.type === 'response' || (message.method === 'INVITE' && tagOf(message, 'to') === '');
    const key = isFirst ? keyOf(message, hit) : undefined;
    if (key === undefined || key.length > MAX_KEY) return;
    this.known.delete(key);
    this.known.add(key);
    if (this.known.size <= MAX_SPEAKERS) return;
    const [oldest] = this.known;
    if (oldest !== undefined) this.known.delete(oldest);
  }

  /** Whether a request within a call is of whom it was when the call began. */
  has(message: SipMessage, hit: Hit): boolean {
    if (tagOf(message, 'to') === '') return false;
    const key = keyOf(message, hit);
    return key !== undefined && this.known.has(key);
  }
}

/** Whoever sends a request stands in From, whoever answers in To. */
function keyOf(message: SipMessage, hit: Hit): string | undefined {
  const uri = parseNameAddr(firstHeader(message, message.type === 'request' ? 'from' : 'to') ?? '')?.uri;
  const callId = firstHeader(message, 'call-id');
  return uri === undefined || callId === undefined ? undefined : `${hit} ${callId} ${uri}`;
}
