import type { SipFlow } from '../flow.ts';
import { firstHeader, headerValues } from '../message/headers.ts';
import type { SipMessage, SipResponse } from '../message/message.ts';
import { parseVia } from '../message/via.ts';
import type { Refusal } from '../proxy/ports.ts';
import { isUndecided, sessionFamilies } from '../sdp/families.ts';
import { tagOf } from '../transaction/responses.ts';
import { MAX_EXCHANGES } from './constants.ts';

/** What a call ends with that would be heard at one end alone. */
export const ONE_WAY: Refusal = {
  status: 488,
  reason: 'Not Acceptable Here',
  headers: [
    {
      name: 'Warning',
      value:
        '300 idloc "Incompatible network protocol: the called phone is at IPv4, the calling one at IPv6, and the called host has no media relay (rtpengine)"',
    },
  ],
};

/**
 * Whether the phone that calls knows IPv6 alone: it is over IPv6, as the first Via says, its own, and offers nothing else. One that knows both is over IPv4,
 * or says so.
 */
export function knowsIpv6Alone(invite: SipMessage): boolean {
  const via = parseVia(headerValues(invite, 'via').at(-1) ?? '');
  if (via === undefined || !(via.params.get('received') ?? via.host).includes(':')) return false;
  const families = sessionFamilies(invite);
  return families.has(6) && !families.has(4);
}

/**
 * Media that come to nobody: where there is no media relay, why a phone has refused a call that offers media of another family than the
 * phone registered by (a phone that knows both takes it); and what ends a call that would be heard at one end alone.
 */
export class FamilyWarnings {
  /** INVITEs with such offers, the oldest first. */
  private readonly offered = new Set<string>();
  /** INVITEs of phones of this host that know IPv6 alone, the oldest first. */
  private readonly ofIpv6 = new Set<string>();

  /** What goes to a phone of this host. */
  note(message: SipMessage, to: SipFlow): void {
    if (message.type !== 'request' || message.method !== 'INVITE') return;
    const families = sessionFamilies(message);
    if (families.size === 0 || families.has(familyOf(to))) return;
    remember(this.offered, keyOf(message));
  }

  /** What a phone of this host sends. */
  noteOwn(message: SipMessage): void {
    const isInvite = message.type === 'request' && message.method === 'INVITE';
    if (isInvite && knowsIpv6Alone(message)) remember(this.ofIpv6, keyOf(message));
  }

  /**
   * Of an answer that leads the media of a phone of this host, which knows IPv6 alone, to IPv4: it would hear, and not be heard.
   * @returns with what that call ends
   */
  refusalOf(answer: SipResponse): Refusal | undefined {
    if (!this.ofIpv6.has(keyOf(answer))) return undefined;
    const families = sessionFamilies(answer);
    return families.has(6) || !families.has(4) || isUndecided(answer) ? undefined : ONE_WAY;
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

function remember(keys: Set<string>, key: string): void {
  keys.add(key);
  const [oldest] = keys;
  if (keys.size > MAX_EXCHANGES && oldest !== undefined) keys.delete(oldest);
}

function keyOf(message: SipMessage): string {
  const [number = ''] = (firstHeader(message, 'cseq') ?? '').split(/[ \t]/);
  return `${firstHeader(message, 'call-id') ?? ''} ${tagOf(message, 'from')} ${number}`;
}
