import type { Clock } from '../base/clock.ts';
import { canonicalAddress, isIpAddress } from '../base/ip-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { SipFlow } from './flow.ts';
import { firstHeader } from './message/headers.ts';
import type { SipMessage, SipRequest } from './message/message.ts';
import { parseNameAddr } from './message/name-addr.ts';
import { parseUri } from './message/uri.ts';
import { parseVia } from './message/via.ts';
import { isLoopback } from './parties.ts';

// Implementation constants.

/** Phones of a household, each with what is wrong with it. */
const MAX_NOTES = 64;
const MAX_TEXT = 128;

export type PhoneNoteKind =
  /** It sends from an address that is not of the overlay, and is not heard. */
  | 'unheard'
  /** It writes an address of another interface into Via or Contact. */
  | 'interface'
  /** As `interface`, into its session descriptions: it was replaced. */
  | 'session'
  /** It says that it is somebody else. */
  | 'refused'
  /** Its registration has ended, and it has not registered again. */
  | 'gone';

/** What was wrong with a phone of this host. */
export interface PhoneNote {
  readonly kind: PhoneNoteKind;
  /** `baresip v1.0.0 (x86_64/linux) at 198.18.0.1:5060`. */
  readonly phone: string;
  /** Addresses, or our answer. */
  readonly detail: string;
  /** When it was seen last, monotonic milliseconds. */
  readonly at: number;
}

/** A phone that is registered. */
export interface BoundPhone {
  readonly aor: string;
  readonly contact: string;
  readonly flow: SipFlow;
  /** Monotonic milliseconds. */
  readonly updatedAt: number;
  readonly expiresAt: number;
}

interface Known {
  readonly since: number;
  readonly expiresAt: number;
  readonly flow: SipFlow;
}

/** What is known of phones of this host for whoever wonders why one does not ring: bounded, and nothing depends on it. */
export class PhoneJournal {
  private readonly isOwn: (address: string) => boolean;
  private readonly clock: Pick<Clock, 'monotonic'>;
  /** By kind and place, the longest unseen first. */
  private readonly kept = new Map<string, PhoneNote>();
  /** By AoR and Contact. */
  private bound = new Map<string, Known>();

  /** @param components.isOwn whether an address is an overlay address of this host */
  constructor(components: { readonly isOwn: (address: string) => boolean; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.isOwn = components.isOwn;
    this.clock = components.clock;
  }

  /** The latest last. */
  get notes(): readonly PhoneNote[] {
    return [...this.kept.values()];
  }

  /** A message of a phone, as it came. */
  heard(message: SipMessage, flow: SipFlow): void {
    if (message.type !== 'request' || message.method !== 'REGISTER') return;
    const via = parseVia(firstHeader(message, 'via') ?? '')?.host;
    const contact = parseUri(parseNameAddr(firstHeader(message, 'contact') ?? '')?.uri ?? '')?.host;
    const wrong = [
      ...new Set([via, contact].flatMap((host) => (host === undefined ? [] : this.elsewhere(host, flow)))),
    ];
    if (wrong.length === 0) this.kept.delete(keyOf('interface', flow));
    else this.note('interface', message, flow, wrong.join(' '));
  }

  /** It is neither here nor a member, by its address: not heard. */
  unheard(message: SipMessage, flow: SipFlow): void {
    this.note('unheard', message, flow, flow.remote.address);
  }

  /** Addresses in its session description lead nowhere, and were replaced. */
  replaced(message: SipMessage, flow: SipFlow, addresses: readonly string[]): void {
    this.note('session', message, flow, addresses.join(' '));
  }

  /** It was told 403. */
  refused(request: SipRequest, flow: SipFlow, reason: string): void {
    const claimed = parseNameAddr(firstHeader(request, 'from') ?? '')?.uri ?? 'nobody';
    this.note('refused', request, flow, `${claimed}: ${reason}`);
  }

  /** All that are registered now. */
  registered(phones: readonly BoundPhone[]): void {
    const now = this.clock.monotonic();
    const before = this.bound;
    this.bound = new Map();
    for (const { aor, contact, flow, updatedAt, expiresAt } of phones) {
      const key = `${aor} ${contact}`;
      this.bound.set(key, { since: before.get(key)?.since ?? updatedAt, expiresAt, flow });
      for (const kind of ['gone', 'refused'] as const) this.kept.delete(keyOf(kind, flow));
    }
    const here = new Set([...this.bound.values()].map(({ flow }) => placeOf(flow)));
    for (const [key, { expiresAt, flow }] of before) {
      // The same phone may have registered another Contact.
      if (this.bound.has(key) || here.has(placeOf(flow))) continue;
      const [, contact = ''] = key.split(' ');
      const how = expiresAt <= now ? 'it did not register again in time' : 'it took its registration back';
      this.put(keyOf('gone', flow), { kind: 'gone', phone: contact.slice(0, MAX_TEXT), detail: how, at: now });
    }
  }

  /** Since when that Contact is registered, in this life. */
  since({ aor, contact, updatedAt }: Pick<BoundPhone, 'aor' | 'contact' | 'updatedAt'>): number {
    return this.bound.get(`${aor} ${contact}`)?.since ?? updatedAt;
  }

  /** An IP address that is neither this host's in the overlay nor where the message came from. */
  private elsewhere(host: string, { remote }: SipFlow): string[] {
    const bare = host.replace(/^\[(.*)\]$/, '$1');
    if (!isIpAddress(bare)) return [];
    const address = canonicalAddress(bare);
    const isHere =
      this.isOwn(address) || address === remote.address || (isLoopback(address) && isLoopback(remote.address));
    return isHere ? [] : [address];
  }

  private note(kind: PhoneNoteKind, message: SipMessage, flow: SipFlow, detail: string): void {
    const name = firstHeader(message, 'user-agent') ?? firstHeader(message, 'server') ?? 'a phone';
    const phone = `${name.slice(0, MAX_TEXT)} at ${placeOf(flow)}`;
    this.put(keyOf(kind, flow), { kind, phone, detail: detail.slice(0, 2 * MAX_TEXT), at: this.clock.monotonic() });
  }

  private put(key: string, note: PhoneNote): void {
    this.kept.delete(key);
    this.kept.set(key, note);
    if (this.kept.size <= MAX_NOTES) return;
    const [oldest] = this.kept.keys();
    if (oldest !== undefined) this.kept.delete(oldest);
  }
}

function placeOf({ remote }: SipFlow): string {
  return formatSocketAddress(remote);
}

function keyOf(kind: PhoneNoteKind, flow: SipFlow): string {
  return `${kind} ${placeOf(flow)}`;
}
