import type { Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { RateLimit } from '../../base/rate-limit.ts';
import { fromStreamAddress, isTurnClientStream } from '../../base/stream-address.ts';
import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../../base/socket-address.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import { encodeStun } from '../../stun/codec.ts';
import { ERROR_REASONS } from '../../stun/constants.ts';
import {
  ALLOCATE_METHOD,
  CHANNEL_BIND_METHOD,
  CREATE_PERMISSION_METHOD,
  REFRESH_METHOD,
  type StunAttributes,
  type StunMessage,
} from '../../stun/message.ts';
import {
  CHANNEL_LIFETIME_MS,
  DEFAULT_LIFETIME_S,
  FIRST_CHANNEL,
  IPV4_FAMILY,
  IPV6_FAMILY,
  LAST_CHANNEL,
  MAX_CHANNELS,
  MAX_LIFETIME_S,
  UDP_PROTOCOL,
} from '../constants.ts';
import { Authenticator, type PasswordsOf, type TurnUser, type Verdict } from './authenticator.ts';
import {
  CHANNEL_REUSE_MS,
  MAX_CHALLENGES_PER_SECOND,
  MAX_PERMISSIONS,
  PERMISSION_MS,
  PORT_TRIES,
  PORTS,
} from './constants.ts';

const METHODS: readonly number[] = [ALLOCATE_METHOD, REFRESH_METHOD, CREATE_PERMISSION_METHOD, CHANNEL_BIND_METHOD];

/** What carries (native/src/relay/turn_server.h): times run there by themselves. */
export interface RelayedPorts {
  /** @returns whether the port could be had. */
  open(id: number, user: number, local: SocketAddress, client: SocketAddress, relayed: SocketAddress): boolean;
  close(id: number): void;
  /** @param channel 0: by indications alone. */
  permit(id: number, peer: SocketAddress, channel: number): void;
}

export interface TurnServerOptions {
  readonly realm: string;
  readonly users: readonly TurnUser[];
  /** Of members of the overlay, by HIT. */
  readonly passwordsOf: PasswordsOf;
  /** At a time. */
  readonly allocations: number;
  readonly allocationsPerUser: number;
  /** Whether a relayed address may be there. */
  readonly mayRelayAt: (address: string) => boolean;
  /** Whether datagrams may be relayed there. */
  readonly mayReach: (address: string) => boolean;
}

/** One relayed address. The two of a dual allocation (s5) have lives of their own, and the numbers of channels in common. */
interface Given {
  readonly key: string;
  /** Of the client and our address. */
  readonly tuple: string;
  readonly id: number;
  /** Of the user, for the quota. */
  readonly place: number;
  /** The name. */
  readonly user: string;
  /** As the world sees it, by whatever it comes. */
  readonly client: SocketAddress;
  readonly relayed: SocketAddress;
  /** Of the request that made it: it may be repeated (s7.2). */
  readonly transactionId: string;
  expiresAt: number;
  /** By address. */
  readonly permissions: Map<string, number>;
  /** By number. */
  readonly channels: Map<number, { readonly peer: SocketAddress; until: number }>;
}

interface Wanted {
  readonly attributes: StunAttributes;
  readonly transactionId: string;
  readonly user: string;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

type Outcome = { readonly code: number } | { readonly attributes: StunAttributes };

/**
 * A TURN server (RFC 8656) over UDP, TCP and TLS without its sockets: who may have a relayed address, and what it may reach. By
 * 5-tuple one of each family, of a client's stream both ends of which are what stands for them (base/stream-address.ts); no port is
 * reserved (508), and DONT-FRAGMENT not known (420, s7.2). No request ends it.
 */
export class TurnServer implements Timed {
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly ports: RelayedPorts;
  private readonly options: TurnServerOptions;
  private readonly authenticator: Authenticator;
  private readonly challenges = new RateLimit(MAX_CHALLENGES_PER_SECOND);
  /** Over streams, so that forged datagrams keep nobody out. */
  private readonly streamChallenges = new RateLimit(MAX_CHALLENGES_PER_SECOND);
  /** By client, our address and family. */
  private readonly given = new Map<string, Given>();
  /** When they are over. */
  private readonly timers = new TimerQueue<string>();
  private hosts: readonly string[] = [];
  private nextId = 1;

  constructor(
    components: { readonly random: Random; readonly logger: Logger; readonly ports: RelayedPorts },
    options: TurnServerOptions,
  ) {
    this.random = components.random;
    this.logger = components.logger;
    this.ports = components.ports;
    this.options = options;
    this.authenticator = new Authenticator(components.random, options);
  }

  /** The addresses of this host: allocations at others are over. */
  setHosts(hosts: readonly string[]): void {
    this.hosts = hosts;
    for (const [key, { relayed }] of this.given) if (!hosts.includes(relayed.address)) this.end(key);
  }

  /** The user is let in no more. */
  endUser(name: string): void {
    for (const [key, { user }] of this.given) if (user === name) this.end(key);
  }

  /** Whether requests of this method are for a TURN server. */
  takes({ class: type, method }: StunMessage): boolean {
    return type === 'request' && METHODS.includes(method);
  }

  /** @returns the answer; undefined: none. */
  receive(
    request: StunMessage,
    raw: Uint8Array,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): Uint8Array | undefined {
    const verdict = this.authenticator.judge(request, raw, remote, now);
    const challenges = isTurnClientStream(local.address) ? this.streamChallenges : this.challenges;
    if ('code' in verdict) return challenges.take(now) ? refusal(request, verdict.code, verdict.challenge) : undefined;
    const unknown = request.unknownRequired ?? [];
    const outcome = unknown.length > 0 ? { code: 420 } : this.carryOut(request, verdict.user.name, local, remote, now);
    return answer(request, outcome, verdict);
  }

  /** The stream of a client is over: so is its allocation. */
  clientLeft(local: SocketAddress, remote: SocketAddress): void {
    for (const { key } of this.of(local, remote)) this.end(key);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let key = this.timers.due(now); key !== undefined; key = this.timers.due(now)) this.end(key);
  }

  private carryOut(
    request: StunMessage,
    user: string,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): Outcome {
    this.handleTimeout(now);
    const all = this.of(local, remote);
    const [given] = all;
    if (request.method === ALLOCATE_METHOD) return this.allocate(request, user, local, remote, now);
    // s5: without an allocation, and of another user.
    if (given === undefined) return { code: 437 };
    if (given.user !== user) return { code: 441 };
    if (request.method === REFRESH_METHOD) return this.refresh(all, request.attributes, now);
    if (request.method === CHANNEL_BIND_METHOD) return this.bind(all, request.attributes, now);
    return this.permit(all, request.peerAddresses ?? [], now);
  }

  /** s7.2, in its order. */
  private allocate(
    { attributes, transactionId }: StunMessage,
    user: string,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): Outcome {
    const known = this.of(local, remote);
    if (known.length > 0) {
      const isRepeated = known.every((given) => given.transactionId === transactionId && given.user === user);
      return isRepeated ? allocated(known, now) : { code: 437 };
    }
    const { requestedAddressFamily: requested, additionalAddressFamily: additional, evenPort } = attributes;
    if (attributes.requestedTransport === undefined) return { code: 400 };
    if (attributes.requestedTransport !== UDP_PROTOCOL) return { code: 442 };
    if (requested !== undefined && additional !== undefined) return { code: 400 };
    const [host] = this.endsOf(local, remote);
    if (this.relayAddress(requested ?? IPV4_FAMILY, host.address) === undefined) return { code: 440 };
    if (additional !== undefined && (additional !== IPV6_FAMILY || evenPort === true)) return { code: 400 };
    // One of both families counts once.
    const ofUser = new Set([...this.given.values()].filter((other) => other.user === user).map(({ tuple }) => tuple));
    if (ofUser.size >= this.options.allocationsPerUser) return { code: 486 };
    if (this.given.size >= this.options.allocations) return { code: 508 };
    // s7.2: a reservation is what it "cannot" satisfy; two streams of a call need no neighbors.
    if (evenPort === true) return { code: 508 };
    const wanted = { attributes, transactionId, user, local, remote };
    const first = this.give(wanted, requested ?? IPV4_FAMILY, now);
    if (typeof first === 'number') return { code: first };
    if (additional === undefined) return allocated([first], now);
    const second = this.give(wanted, additional, now);
    return typeof second === 'number' ? allocated([first], now, second) : allocated([first, second], now);
  }

  /** @returns a code: it cannot be given. */
  private give(
    { attributes, transactionId, user, local, remote }: Wanted,
    family: number,
    now: number,
  ): Given | 440 | 508 {
    const [host, client] = this.endsOf(local, remote);
    const address = this.relayAddress(family, host.address);
    if (address === undefined) return 440;
    if (this.given.size >= this.options.allocations) return 508;
    const id = this.nextId++;
    const place = this.placeOf(user);
    for (let tries = 0; tries < PORT_TRIES; tries++) {
      const drawn = PORTS.first + (this.random.uint32() % (PORTS.last - PORTS.first + 1));
      const port = attributes.evenPort === undefined ? drawn : drawn & ~1;
      const relayed = { address, port };
      if (!this.ports.open(id, place, local, remote, relayed)) continue;
      const given: Given = {
        ...{ id, place, user, client, relayed, transactionId },
        ...{ key: keyOf(local, remote, family), tuple: tupleOf(local, remote) },
        expiresAt: now + 1_000 * lifetimeOf(attributes),
        permissions: new Map(),
        channels: new Map(),
      };
      this.given.set(given.key, given);
      this.timers.set(given.key, given.expiresAt);
      this.logger.info('turn.served', {
        user,
        addr: formatSocketAddress(client),
        relayed: formatSocketAddress(relayed),
        over: isTurnClientStream(local.address) ? 'stream' : 'udp',
      });
      return given;
    }
    return 508;
  }

  /** s8.2: of a dual allocation both, or that of the family that is named. */
  private refresh(all: readonly Given[], attributes: StunAttributes, now: number): Outcome {
    const { requestedAddressFamily: family } = attributes;
    const meant = all.filter(({ relayed }) => family === undefined || family === familyOf(relayed.address));
    if (meant.length === 0) return { code: 443 };
    const lifetime = attributes.lifetime === 0 ? 0 : lifetimeOf(attributes);
    for (const given of meant) {
      given.expiresAt = now + 1_000 * lifetime;
      if (lifetime === 0) this.end(given.key);
      else this.timers.set(given.key, given.expiresAt);
    }
    return { attributes: { lifetime } };
  }

  /** s10.2: all of them, or none. */
  private permit(all: readonly Given[], peers: readonly SocketAddress[], now: number): Outcome {
    if (peers.length === 0) return { code: 400 };
    const permitted: { readonly given: Given; readonly peer: SocketAddress }[] = [];
    for (const peer of peers) {
      const given = ofFamily(all, peer);
      const code = given === undefined ? 443 : this.refusalOf(given, peer.address);
      if (code !== undefined) return { code };
      if (given !== undefined) permitted.push({ given, peer });
    }
    for (const given of all) {
      forgetOver(given.permissions, now);
      const own = permitted.filter((other) => other.given === given).map(({ peer: { address } }) => address);
      const added = new Set(own.filter((address) => !given.permissions.has(address)));
      if (given.permissions.size + added.size > MAX_PERMISSIONS) return { code: 508 };
    }
    for (const { given, peer } of permitted) {
      given.permissions.set(peer.address, now + PERMISSION_MS);
      this.ports.permit(given.id, peer, 0);
    }
    return { attributes: {} };
  }

  /** s12.2. */
  private bind(
    all: readonly Given[],
    { channelNumber: number, xorPeerAddress: peer }: StunAttributes,
    now: number,
  ): Outcome {
    if (number === undefined || peer === undefined || peer.port === 0) return { code: 400 };
    if (number < FIRST_CHANNEL || number > LAST_CHANNEL) return { code: 400 };
    for (const { channels } of all)
      for (const [other, { until }] of channels) if (now >= until + CHANNEL_REUSE_MS) channels.delete(other);
    // A number of another peer, or a peer with another number.
    const isTaken = all
      .flatMap(({ channels }) => [...channels])
      .some(([other, { peer: bound }]) => (other === number) !== sameSocketAddress(bound, peer));
    if (isTaken) return { code: 400 };
    const given = ofFamily(all, peer);
    if (given === undefined) return { code: 443 };
    const known = given.channels.get(number);
    const code = this.refusalOf(given, peer.address);
    if (code !== undefined) return { code };
    forgetOver(given.permissions, now);
    const full = known === undefined && given.channels.size >= MAX_CHANNELS;
    if (full || (!given.permissions.has(peer.address) && given.permissions.size >= MAX_PERMISSIONS))
      return { code: 508 };
    given.channels.set(number, { peer, until: now + CHANNEL_LIFETIME_MS });
    given.permissions.set(peer.address, now + PERMISSION_MS);
    this.ports.permit(given.id, peer, number);
    return { attributes: {} };
  }

  private refusalOf({ relayed }: Given, address: string): number | undefined {
    // Of this host, relayed addresses alone: the data plane sees to it.
    if (address === relayed.address) return undefined;
    return this.hosts.includes(address) || !this.options.mayReach(address) ? 403 : undefined;
  }

  /** A number for the user's quota. Members have one while they have an allocation: there are no more of them than of those. */
  private placeOf(user: string): number {
    const fixed = this.options.users.findIndex(({ name }) => name === user);
    if (fixed >= 0) return fixed;
    const given = [...this.given.values()];
    const same = given.find((other) => other.user === user);
    if (same !== undefined) return same.place;
    let place = this.options.users.length;
    while (given.some((other) => other.place === place)) place += 1;
    return place;
  }

  /** Where the client came to, if it can be there. */
  private relayAddress(family: number, local: string): string | undefined {
    const fit = this.hosts.filter((host) => familyOf(host) === family && this.options.mayRelayAt(host));
    return fit.includes(local) ? local : fit[0];
  }

  /** Of that client, IPv4 first. */
  private of(local: SocketAddress, remote: SocketAddress): readonly Given[] {
    const both = [IPV4_FAMILY, IPV6_FAMILY].map((family) => this.given.get(keyOf(local, remote, family)));
    return both.filter((given) => given !== undefined);
  }

  /** Our address and the client's, as the world sees them. */
  private endsOf(local: SocketAddress, remote: SocketAddress): readonly [SocketAddress, SocketAddress] {
    const isStream = isTurnClientStream(local.address);
    return isStream ? [fromStreamAddress(local), fromStreamAddress(remote)] : [local, remote];
  }

  private end(key: string): void {
    const given = this.given.get(key);
    if (given === undefined) return;
    this.ports.close(given.id);
    this.given.delete(key);
    this.timers.clear(key);
  }
}

function keyOf(local: SocketAddress, remote: SocketAddress, family: number): string {
  return `${tupleOf(local, remote)} ${family}`;
}

function tupleOf(local: SocketAddress, remote: SocketAddress): string {
  return `${local.address} ${formatSocketAddress(remote)}`;
}

function ofFamily(all: readonly Given[], { address }: SocketAddress): Given | undefined {
  return all.find(({ relayed }) => familyOf(relayed.address) === familyOf(address));
}

function familyOf(address: string): number {
  return address.includes(':') ? IPV6_FAMILY : IPV4_FAMILY;
}

function lifetimeOf({ lifetime = DEFAULT_LIFETIME_S }: StunAttributes): number {
  return Math.min(Math.max(lifetime, DEFAULT_LIFETIME_S), MAX_LIFETIME_S);
}

function forgetOver(times: Map<string, number>, now: number): void {
  for (const [key, until] of times) if (now >= until) times.delete(key);
}

/** @param missing why there is no IPv6 address beside the IPv4 one. */
function allocated([first, second]: readonly Given[], now: number, missing?: 440 | 508): Outcome {
  if (first === undefined) return { code: 437 };
  const lifetime = Math.max(0, Math.round((first.expiresAt - now) / 1_000));
  const addressErrorCode = missing && { family: IPV6_FAMILY, code: missing, reason: ERROR_REASONS[missing] ?? '' };
  return {
    attributes: {
      ...{ xorRelayedAddress: first.relayed, xorMappedAddress: first.client, lifetime },
      ...(second !== undefined && { additionalRelayedAddress: second.relayed }),
      ...(addressErrorCode !== undefined && { addressErrorCode }),
    },
  };
}

function refusal(request: StunMessage, code: number, challenge: StunAttributes): Uint8Array {
  const errorCode = { code, reason: ERROR_REASONS[code] ?? '' };
  return encodeStun(replyTo(request, 'error', { errorCode, ...challenge }), { fingerprint: true });
}

function answer(
  request: StunMessage,
  outcome: Outcome,
  { key, integrity }: Exclude<Verdict, { code: number }>,
): Uint8Array {
  const options = { key, integrity, fingerprint: true };
  if ('attributes' in outcome) return encodeStun(replyTo(request, 'success', outcome.attributes), options);
  const { code } = outcome;
  const errorCode = { code, reason: ERROR_REASONS[code] ?? '' };
  const unknown = code === 420 ? { unknownAttributes: request.unknownRequired ?? [] } : {};
  return encodeStun(replyTo(request, 'error', { errorCode, ...unknown }), options);
}

function replyTo(
  { method, transactionId }: StunMessage,
  type: 'success' | 'error',
  attributes: StunAttributes,
): StunMessage {
  return { class: type, method, transactionId, attributes };
}
