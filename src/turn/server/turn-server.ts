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

/** RFC 8656 s18.6: the families of REQUESTED-ADDRESS-FAMILY. */
const IPV4 = 1;
const IPV6 = 2;
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

interface Given {
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

type Outcome = { readonly code: number } | { readonly attributes: StunAttributes };

/**
 * A TURN server (RFC 8656) over UDP, TCP and TLS without its sockets: who may have a relayed address, and what it may reach. One
 * allocation by 5-tuple, of a client's stream both ends of which are what stands for them (base/stream-address.ts); no port is
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
  /** By client and our address. */
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
    this.end(keyOf(local, remote));
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
    const key = keyOf(local, remote);
    const given = this.given.get(key);
    if (request.method === ALLOCATE_METHOD) return this.allocate(request, user, local, remote, now);
    // s5: without an allocation, and of another user.
    if (given === undefined) return { code: 437 };
    if (given.user !== user) return { code: 441 };
    if (request.method === REFRESH_METHOD) return this.refresh(key, given, request.attributes, now);
    if (request.method === CHANNEL_BIND_METHOD) return this.bind(given, request.attributes, now);
    return this.permit(given, request.peerAddresses ?? [], now);
  }

  /** s7.2, in its order. */
  private allocate(
    { attributes, transactionId }: StunMessage,
    user: string,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): Outcome {
    const key = keyOf(local, remote);
    const isStream = isTurnClientStream(local.address);
    const [host, client] = isStream ? [fromStreamAddress(local), fromStreamAddress(remote)] : [local, remote];
    const known = this.given.get(key);
    if (known !== undefined) {
      if (known.transactionId !== transactionId || known.user !== user) return { code: 437 };
      return allocated(known, now);
    }
    if (attributes.requestedTransport === undefined) return { code: 400 };
    if (attributes.requestedTransport !== UDP_PROTOCOL) return { code: 442 };
    const family = attributes.requestedAddressFamily ?? IPV4;
    const address = family === IPV4 || family === IPV6 ? this.relayAddress(family, host.address) : undefined;
    if (address === undefined) return { code: 440 };
    const ofUser = [...this.given.values()].filter((other) => other.user === user).length;
    if (ofUser >= this.options.allocationsPerUser) return { code: 486 };
    if (this.given.size >= this.options.allocations) return { code: 508 };
    // s7.2: a reservation is what it "cannot" satisfy; two streams of a call need no neighbors.
    if (attributes.evenPort === true) return { code: 508 };
    const id = this.nextId++;
    const place = this.placeOf(user);
    for (let tries = 0; tries < PORT_TRIES; tries++) {
      const drawn = PORTS.first + (this.random.uint32() % (PORTS.last - PORTS.first + 1));
      const port = attributes.evenPort === undefined ? drawn : drawn & ~1;
      const relayed = { address, port };
      if (!this.ports.open(id, place, local, remote, relayed)) continue;
      const given: Given = {
        ...{ id, place, user, client, relayed, transactionId },
        expiresAt: now + 1_000 * lifetimeOf(attributes),
        permissions: new Map(),
        channels: new Map(),
      };
      this.given.set(key, given);
      this.timers.set(key, given.expiresAt);
      this.logger.info('turn.served', {
        user,
        addr: formatSocketAddress(client),
        relayed: formatSocketAddress(relayed),
        over: isStream ? 'stream' : 'udp',
      });
      return allocated(given, now);
    }
    return { code: 508 };
  }

  private refresh(key: string, given: Given, attributes: StunAttributes, now: number): Outcome {
    const { requestedAddressFamily: family } = attributes;
    if (family !== undefined && family !== familyOf(given.relayed.address)) return { code: 443 };
    if (attributes.lifetime === 0) {
      this.end(key);
      return { attributes: { lifetime: 0 } };
    }
    const lifetime = lifetimeOf(attributes);
    given.expiresAt = now + 1_000 * lifetime;
    this.timers.set(key, given.expiresAt);
    return { attributes: { lifetime } };
  }

  /** s10.2: all of them, or none. */
  private permit(given: Given, peers: readonly SocketAddress[], now: number): Outcome {
    if (peers.length === 0) return { code: 400 };
    for (const { address } of peers) {
      const code = this.refusalOf(given, address);
      if (code !== undefined) return { code };
    }
    forgetOver(given.permissions, now);
    const added = new Set(peers.map(({ address }) => address).filter((address) => !given.permissions.has(address)));
    if (given.permissions.size + added.size > MAX_PERMISSIONS) return { code: 508 };
    for (const peer of peers) {
      given.permissions.set(peer.address, now + PERMISSION_MS);
      this.ports.permit(given.id, peer, 0);
    }
    return { attributes: {} };
  }

  /** s12.2. */
  private bind(given: Given, { channelNumber: number, xorPeerAddress: peer }: StunAttributes, now: number): Outcome {
    if (number === undefined || peer === undefined || peer.port === 0) return { code: 400 };
    if (number < FIRST_CHANNEL || number > LAST_CHANNEL) return { code: 400 };
    for (const [other, { until }] of given.channels) if (now >= until + CHANNEL_REUSE_MS) given.channels.delete(other);
    const known = given.channels.get(number);
    // A number of another peer, or a peer with another number.
    const isTaken = [...given.channels].some(
      ([other, { peer: bound }]) => (other === number) !== sameSocketAddress(bound, peer),
    );
    if (isTaken) return { code: 400 };
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
    if (familyOf(address) !== familyOf(relayed.address)) return 443;
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

  private end(key: string): void {
    const given = this.given.get(key);
    if (given === undefined) return;
    this.ports.close(given.id);
    this.given.delete(key);
    this.timers.clear(key);
  }
}

function keyOf(local: SocketAddress, remote: SocketAddress): string {
  return `${local.address} ${formatSocketAddress(remote)}`;
}

function familyOf(address: string): number {
  return address.includes(':') ? IPV6 : IPV4;
}

function lifetimeOf({ lifetime = DEFAULT_LIFETIME_S }: StunAttributes): number {
  return Math.min(Math.max(lifetime, DEFAULT_LIFETIME_S), MAX_LIFETIME_S);
}

function forgetOver(times: Map<string, number>, now: number): void {
  for (const [key, until] of times) if (now >= until) times.delete(key);
}

function allocated({ relayed, client, expiresAt }: Given, now: number): Outcome {
  const lifetime = Math.max(0, Math.round((expiresAt - now) / 1_000));
  return { attributes: { xorRelayedAddress: relayed, xorMappedAddress: client, lifetime } };
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
