import type { SipFlow } from '../flow.ts';
import { firstHeader } from '../message/headers.ts';
import type { SipMessage } from '../message/message.ts';
import { sessionFamilies } from '../sdp/families.ts';
import { tagOf } from '../transaction/responses.ts';
import { MAX_EXCHANGES } from './constants.ts';

/**
 * Where there is no media relay: why a phone has refused a call that offers media of another family than the phone registered by (a phone that
 * knows both takes it).
 */
export class FamilyWarnings {
  /** INVITEs with such offers, the oldest first. */
  private readonly offered = new Set<string>();

  /** What goes to a phone of this host. */
  note(message: SipMessage, to: SipFlow): void {
    if (message.type !== 'request' || message.method !== 'INVITE') return;
    const families = sessionFamilies(message);
    if (families.size === 0 || families.has(familyOf(to))) return;
    this.offered.add(keyOf(message));
    const [oldest] = this.offered;
    if (this.offered.size > MAX_EXCHANGES && oldest !== undefined) this.offered.delete(oldest);
  }

  /** What a phone of this host says: with a Warning (RFC 3261 s20.43) where the families are the reason. */
  explained<M extends SipMessage>(message: M, from: SipFlow): M {
    if (message.type !== 'response' || message.status < 200 || !this.offered.delete(keyOf(message))) return message;
    if (message.status !== 488 && message.status !== 606) return message;
    const text = `Incompatible network protocol: the phone is at IPv${familyOf(from)}, and its host has no media relay (rtpengine)`;
    return { ...message, headers: [...message.headers, { name: 'Warning', value: `300 idloc "${text}"` }] };
  }
}

export function familyOf({ remote: { address } }: SipFlow): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function keyOf(message: SipMessage): string {
  const [number = ''] = (firstHeader(message, 'cseq') ?? '').split(/[ \t]/);
  return `${firstHeader(message, 'call-id') ?? ''} ${tagOf(message, 'from')} ${number}`;
}
