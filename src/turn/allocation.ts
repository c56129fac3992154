import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { parseIpAddress } from '../base/ip-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { isIndirectAddress } from '../base/stream-address.ts';
import type { StunAttributes, StunMessage } from '../stun/message.ts';
import { ALLOCATE_METHOD, CHANNEL_BIND_METHOD, REFRESH_METHOD } from '../stun/message.ts';
import {
  CHANNEL_LIFETIME_MS,
  CHANNEL_REFRESH_MS,
  DEFAULT_LIFETIME_S,
  FIRST_CHANNEL,
  IPV6_FAMILY,
  LAST_CHANNEL,
  MAX_CHANNELS,
  MAX_LIFETIME_S,
  MIN_LIFETIME_S,
  NO_DUAL_CODES,
  REFRESH_BEFORE_S,
  REFUSED_CHANNEL_MS,
  UDP_PROTOCOL,
  VERIFY_INTERVAL_MS,
} from './constants.ts';
import type { LongTermCredentials } from './long-term-credentials.ts';
import { Requests, type Answer } from './requests.ts';

export type AllocationEvent =
  | { readonly type: 'allocated'; readonly relayed: readonly SocketAddress[] }
  /** It is none any more, or never was. Nothing more comes of it. */
  | { readonly type: 'ended'; readonly reason: string }
  /** What is sent to the peer by this channel gets there, from the relayed address. */
  | { readonly type: 'bound'; readonly peer: SocketAddress; readonly channel: number; readonly held?: Uint8Array }
  | { readonly type: 'unbound'; readonly peer: SocketAddress; readonly channel: number };

type Purpose =
  { readonly what: 'allocate' | 'replace' | 'refresh' } | { readonly what: 'bind'; readonly channel: Channel };

interface Channel {
  readonly peer: SocketAddress;
  readonly number: number;
  /** `refused`: the server does not let us send there, now. `idle`: nobody needs it, but it still has its number there. */
  state: 'binding' | 'bound' | 'refused' | 'idle';
  /** When that changes. */
  at: number;
  /** What waits for it. */
  held: Uint8Array | undefined;
}

/**
 * What is asked for: an address of each family (s7.1: ADDITIONAL-ADDRESS-FAMILY, which coturn knows by another number; who knows neither
 * passes over both), or of IPv4, which needs no attribute, or of IPv6.
 */
type Families = 'both' | 'ipv4' | 'ipv6';
const FAMILY_ATTRIBUTES: Readonly<Record<Families, StunAttributes>> = {
  both: { additionalAddressFamily: IPV6_FAMILY, draftAdditionalAddressFamily: IPV6_FAMILY },
  ipv4: {},
  ipv6: { requestedAddressFamily: IPV6_FAMILY },
};

/**
 * One allocation at a TURN server (RFC 8656 s6), a dual one if the server gives that: relayed addresses, kept alive, and channels from
 * them to peers of their family.
 *
 *   allocating ──success──> allocated ──437, no answer to a refresh, `release`──> ended
 *       │  ├──437: an older one of this address is there──> replaced, allocating again
 *       │  └──440, or no dual one──> allocating again, of one family
 *       └──refused, no answer──> ended
 */
export class Allocation implements Timed {
  readonly server: SocketAddress;
  /** Which of our addresses the server sees behind it. */
  readonly base: SocketAddress;
  /** Of each family one at the most, IPv4 first; none: it is not allocated yet. */
  relayed: readonly SocketAddress[] = [];
  private families: Families = 'both';
  private ended = false;
  private replaced = false;
  private refreshAt: number | undefined;
  private refreshedAt = 0;
  private nextNumber: number;
  private readonly channels = new Map<string, Channel>();
  private readonly requests: Requests<Purpose>;
  private readonly isWanted: (peer: SocketAddress) => boolean;
  private events: AllocationEvent[] = [];

  constructor(
    components: {
      readonly random: Random;
      readonly credentials: LongTermCredentials;
      /** Whether the channel to a peer is in use: asked when it would be bound anew. */
      readonly isWanted: (peer: SocketAddress) => boolean;
    },
    options: {
      readonly server: SocketAddress;
      readonly base: SocketAddress;
      /** What is sent arrives, or the end of the stream is told. */
      readonly reliable: boolean;
    },
    now: number,
  ) {
    this.server = options.server;
    this.base = options.base;
    this.isWanted = components.isWanted;
    this.requests = new Requests(components, options);
    // One that was here before may have left the first ones bound.
    this.nextNumber = FIRST_CHANNEL + (components.random.uint32() % (LAST_CHANNEL - FIRST_CHANNEL + 1));
    this.allocate(now);
  }

  /** @returns whether datagrams to `peer` may be sent. If not yet, the channel is being bound, and `held` comes with `bound`. */
  open(peer: SocketAddress, held: Uint8Array | undefined, now: number): boolean {
    if (this.ended || this.relayedFor(peer) === undefined) return false;
    const key = formatSocketAddress(peer);
    const known = this.channels.get(key);
    if (known !== undefined) {
      if (known.state === 'idle') this.bind(known, now);
      known.held = known.state === 'binding' ? held : undefined;
      return known.state === 'bound';
    }
    if (!this.makeRoom()) return false;
    const channel: Channel = { peer, number: this.nextNumber, state: 'idle', at: Infinity, held };
    this.nextNumber = this.nextNumber === LAST_CHANNEL ? FIRST_CHANNEL : this.nextNumber + 1;
    this.channels.set(key, channel);
    this.bind(channel, now);
    return false;
  }

  /** The one from which that peer is reached. */
  relayedFor(peer: SocketAddress): SocketAddress | undefined {
    return this.relayed.find((relayed) => isIpv6(relayed) === isIpv6(peer));
  }

  /** The server may have lost it, or a NAT our address there: it is asked at once, by a refresh. */
  verify(now: number): void {
    if (this.refreshAt !== undefined && now >= this.refreshedAt + VERIFY_INTERVAL_MS) this.refresh(now);
  }

  /** The channels that carry datagrams. */
  get bound(): readonly { readonly peer: SocketAddress; readonly channel: number }[] {
    const bound = [...this.channels.values()].filter(({ state }) => state === 'bound');
    return bound.map(({ peer, number }) => ({ peer, channel: number }));
  }

  hasTransaction(id: string): boolean {
    return this.requests.has(id);
  }

  /** An answer of the server. */
  receive(message: StunMessage, raw: Uint8Array, now: number): void {
    const answer = this.requests.receive(message, raw, now);
    if (answer !== undefined && !this.ended) this.answered(answer, now);
  }

  /** The server is told to forget it. No event follows. */
  release(now: number): void {
    if (this.relayed.length > 0 && !this.ended)
      this.requests.send({ what: 'refresh' }, REFRESH_METHOD, { lifetime: 0 }, now);
    this.ended = true;
    this.events = [];
  }

  pollTransmit(): Uint8Array | undefined {
    return this.requests.pollTransmit();
  }

  pollEvent(): AllocationEvent | undefined {
    return this.events.shift();
  }

  nextTimeout(): number | undefined {
    if (this.ended) return undefined;
    const channels = [...this.channels.values()].map(({ at }) => at).filter((at) => at !== Infinity);
    return earliest(this.requests.nextTimeout(), this.refreshAt, ...channels);
  }

  handleTimeout(now: number): void {
    if (this.ended) return;
    for (const expired of this.requests.takeExpired(now)) this.answered(expired, now);
    if (this.hasEnded()) return;
    this.requests.handleTimeout(now);
    if (this.refreshAt !== undefined && now >= this.refreshAt) this.refresh(now);
    for (const channel of this.channels.values()) if (now >= channel.at) this.renew(channel, now);
  }

  private refresh(now: number): void {
    this.refreshAt = undefined;
    this.refreshedAt = now;
    this.requests.send({ what: 'refresh' }, REFRESH_METHOD, {}, now);
  }

  private hasEnded(): boolean {
    return this.ended;
  }

  private allocate(now: number): void {
    const attributes = { requestedTransport: UDP_PROTOCOL, ...FAMILY_ATTRIBUTES[this.families] };
    this.requests.send({ what: 'allocate' }, ALLOCATE_METHOD, attributes, now);
  }

  private bind(channel: Channel, now: number): void {
    // One that is bound stays so meanwhile.
    if (channel.state !== 'bound') channel.state = 'binding';
    channel.at = Infinity;
    const attributes = { channelNumber: channel.number, xorPeerAddress: channel.peer };
    this.requests.send({ what: 'bind', channel }, CHANNEL_BIND_METHOD, attributes, now);
  }

  private answered({ purpose, code, attributes }: Answer<Purpose>, now: number): void {
    // RFC 8656 s5: whatever was asked, the server has no such allocation any more.
    if (code === 437 && purpose.what !== 'allocate' && purpose.what !== 'replace') this.end('it has forgotten it');
    else if (purpose.what === 'bind') this.bindAnswered(purpose.channel, code, now);
    else if (purpose.what === 'replace') this.allocate(now);
    else if (purpose.what === 'allocate') this.allocateAnswered(code, attributes, now);
    else if (code === 0) this.keep(attributes, now);
    else this.end(reasonOf(code, attributes));
  }

  private allocateAnswered(code: number | undefined, attributes: StunAttributes, now: number): void {
    if (code === 437 && !this.replaced) {
      // Of this host before it was started anew: the same user may end it (s7.2).
      this.replaced = true;
      this.requests.send({ what: 'replace' }, REFRESH_METHOD, { lifetime: 0 }, now);
      return;
    }
    const other = code === undefined ? undefined : this.familiesAfter(code);
    if (other !== undefined) {
      this.families = other;
      this.allocate(now);
      return;
    }
    const relayed = usableOf(attributes);
    if (code !== 0) this.end(reasonOf(code, attributes));
    else if (relayed.length === 0) this.end('it gives no usable address');
    else if (this.keep(attributes, now)) {
      this.relayed = relayed;
      this.events.push({ type: 'allocated', relayed });
    }
  }

  /** What a server is asked for that has refused what it was asked for first; undefined: nothing. */
  private familiesAfter(code: number): Families | undefined {
    // s7.2: it relays from no IPv4 address.
    if (code === 440 && this.families !== 'ipv6') return 'ipv6';
    return this.families === 'both' && NO_DUAL_CODES.includes(code) ? 'ipv4' : undefined;
  }

  private keep({ lifetime = DEFAULT_LIFETIME_S }: StunAttributes, now: number): boolean {
    if (lifetime < MIN_LIFETIME_S) {
      this.end(`it lets an allocation live ${lifetime} s`);
      return false;
    }
    const seconds = Math.min(lifetime, MAX_LIFETIME_S);
    this.refreshAt = now + 1_000 * Math.max(seconds - REFRESH_BEFORE_S, 0.75 * seconds);
    return true;
  }

  private bindAnswered(channel: Channel, code: number | undefined, now: number): void {
    const { peer, number, state, held } = channel;
    channel.held = undefined;
    if (code === 0) {
      channel.state = 'bound';
      channel.at = now + CHANNEL_REFRESH_MS;
      if (state !== 'bound')
        this.events.push({ type: 'bound', peer, channel: number, ...(held === undefined ? {} : { held }) });
      return;
    }
    if (state === 'bound') this.events.push({ type: 'unbound', peer, channel: number });
    channel.state = 'refused';
    channel.at = now + REFUSED_CHANNEL_MS;
  }

  private renew(channel: Channel, now: number): void {
    const { peer, number, state } = channel;
    if (state === 'bound' && this.isWanted(peer)) {
      this.bind(channel, now);
      return;
    }
    if (state === 'idle') {
      this.channels.delete(formatSocketAddress(peer));
      return;
    }
    if (state === 'bound') this.events.push({ type: 'unbound', peer, channel: number });
    channel.state = 'idle';
    channel.at = now + CHANNEL_LIFETIME_MS;
  }

  private makeRoom(): boolean {
    if (this.channels.size < MAX_CHANNELS) return true;
    const idle = [...this.channels].find(([, { state }]) => state === 'idle');
    return idle !== undefined && this.channels.delete(idle[0]);
  }

  private end(reason: string): void {
    this.ended = true;
    this.events.push({ type: 'ended', reason });
  }
}

/** Of each family the first. */
function usableOf({ xorRelayedAddress, additionalRelayedAddress }: StunAttributes): SocketAddress[] {
  const given = [xorRelayedAddress, additionalRelayedAddress].filter((other) => other !== undefined).filter(isUsable);
  return [given.find((other) => !isIpv6(other)), given.find(isIpv6)].filter((other) => other !== undefined);
}

function isUsable({ address, port }: SocketAddress): boolean {
  if (port === 0 || isIndirectAddress(address)) return false;
  const ip = parseIpAddress(address);
  return !ip.isMulticast() && !ip.isUnspecified() && !ip.isLoopback() && !ip.isLinkLocal();
}

function isIpv6({ address }: SocketAddress): boolean {
  return address.includes(':');
}

function reasonOf(code: number | undefined, { errorCode }: StunAttributes): string {
  if (code === undefined) return 'it does not answer';
  if (code === 401 || code === 441) return 'it does not take the user or the password';
  if (code === 438) return 'it finds every nonce stale';
  if (code === 440) return 'it relays from no address of either family';
  if (code === 486 || code === 508) return 'it has no room for another allocation';
  // The server's own words, which are bounded, as a log is read by people.
  return `it refuses: ${code} ${(errorCode?.reason ?? '').replaceAll(/[^ -~]/g, '?').slice(0, 64)}`.trimEnd();
}
