import { isDeepStrictEqual } from 'node:util';
import type { Candidate } from '../base/candidate.ts';
import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { hostCandidates, lastResort, reflexiveCandidate } from '../ice/candidates.ts';
import { BindingClient } from '../stun/binding-client.ts';
import type { StunMessage } from '../stun/message.ts';
import { MappingWatch } from './mapping-watch.ts';
import { synthesize, withoutNat64, type Nat64Prefix } from './nat64.ts';
import { dependsOnDestination, mappingBehavior, type MappingBehavior } from './mapping-behavior.ts';
import { agreed, type Forwarded, type Reflexive } from './sightings.ts';
import { standingOf, type Standing } from './standing.ts';
import {
  MAPPING_DOUBT_MS,
  MAX_BINDING_SERVERS,
  MAX_CONFIGURED_SERVERS,
  MAX_HOST_CANDIDATES,
  MAX_RELAYED_CANDIDATES,
  MAX_REFLEXIVES,
  MAX_REFLEXIVE_CANDIDATES,
  REFLEXIVE_REFRESH_MS,
  REFLEXIVE_WORD_MS,
} from './constants.ts';

/**
 * Our addresses, own and reflexive: what candidates are made of. Peers of the overlay, and STUN servers that the configuration
 * names, tell how they see us (RFC 8445 s5.1.1.2). What one of them tells moves only its own word. Nothing ends it.
 */
export class LocalAddresses implements Timed {
  private readonly port: number;
  private readonly client: BindingClient;
  private hosts: readonly SocketAddress[] = [];
  private deprecated: readonly string[] = [];
  private configured: readonly SocketAddress[] = [];
  private readonly reflexives = new Map<string, Reflexive>();
  private readonly mappings = new MappingWatch();
  private forwarded: Forwarded | undefined;
  private relayed: readonly Candidate[] = [];
  private advertised: readonly string[] = [];
  private nat64: Nat64Prefix | undefined;
  private refreshAt: number | undefined;
  /** What was told before this time may be wrong by now. */
  private doubtedSince = -Infinity;
  private cached: readonly Candidate[] | undefined;
  /** The same array as long as it says the same, and the same candidates in the next one: every link holds what its own were. */
  private latest: readonly Candidate[] = [];

  constructor(components: { random: Random; logger: Logger }, port: number) {
    this.client = new BindingClient(components);
    this.port = port;
  }

  /** Ready at any time; reflexive ones as far as they are known. */
  get candidates(): readonly Candidate[] {
    if (this.cached === undefined) {
      const { latest } = this;
      const gathered = this.gather().map((made) => latest.find((known) => isDeepStrictEqual(known, made)) ?? made);
      const isSame = gathered.length === latest.length && gathered.every((candidate, i) => candidate === latest[i]);
      if (!isSame) this.latest = gathered;
      this.cached = this.latest;
    }
    return this.cached;
  }

  /** With the address that a path goes from, when that is ours still, and is not offered any more. */
  candidatesBeside(used: SocketAddress | undefined): readonly Candidate[] {
    return used === undefined || !this.deprecated.includes(used.address)
      ? this.candidates
      : [...this.candidates, lastResort(used)];
  }

  /** What each server told. */
  get reflexive(): readonly Reflexive[] {
    return [...this.reflexives.values()];
  }

  /** What counts of it. */
  get agreed(): readonly Reflexive[] {
    return agreed(this.reflexive);
  }

  /** Whether every address that a server could see otherwise has been seen, since the last doubt. */
  get complete(): boolean {
    const v4 = this.hosts.filter(({ address }) => !address.includes(':'));
    return v4.every((base) =>
      this.reflexive.some((known) => sameSocketAddress(known.base, base) && known.seenAt >= this.doubtedSince),
    );
  }

  /** Whether one has seen the address that the kernel sends from to far away, since the last doubt. */
  get bestKnown(): boolean {
    const best = this.hosts.find(({ address }) => !address.includes(':'));
    return (
      best !== undefined &&
      this.reflexive.some((known) => sameSocketAddress(known.base, best) && known.seenAt >= this.doubtedSince)
    );
  }

  /** When a server first told of one of them, since the last doubt. */
  get firstWordAt(): number | undefined {
    const words = this.reflexive.filter(
      ({ base, seenAt }) => seenAt >= this.doubtedSince && !base.address.includes(':'),
    );
    return words.length === 0 ? undefined : Math.min(...words.map(({ seenAt }) => seenAt));
  }

  /** Something broke, perhaps a NAT in front of us: what was told before has to be told again. */
  doubt(now: number): void {
    this.doubtedSince = now;
  }

  get natMapping(): MappingBehavior {
    const isHost = ({ base }: Reflexive): boolean => this.hosts.some((host) => sameSocketAddress(host, base));
    return mappingBehavior(this.agreed.filter(isHost));
  }

  standing(now: number): Standing {
    const { hosts, agreed: reflexive, forwarded, advertised } = this;
    return standingOf({ hosts, reflexive, forwarded, advertised }, now);
  }

  /** Whether what comes there comes to us: also by the NAT, as others see us. */
  isOwn(address: SocketAddress): boolean {
    const own = address.port === this.port && this.has(address.address);
    const others = [...this.agreed.map(({ mapped }) => mapped), ...(this.forwarded ? [this.forwarded.external] : [])];
    return own || others.some((other) => sameSocketAddress(other, address));
  }

  /** Of this host, or what stands for an allocation at a TURN server. */
  has(address: string): boolean {
    const isRelayed = this.relayed.some(({ base }) => base?.address === address);
    return isRelayed || this.deprecated.includes(address) || this.hosts.some((own) => own.address === address);
  }

  /** Whether this host has an address. */
  get any(): boolean {
    return this.hosts.length > 0;
  }

  /** Whether we have an address of the family of this one. */
  mayReach(address: string): boolean {
    return this.hosts.some((own) => own.address.includes(':') === address.includes(':'));
  }

  /**
   * @param deprecated ours still, but not to be offered.
   * @returns whether they are others than before. What was seen from addresses that are gone is forgotten.
   */
  setHosts(addresses: readonly string[], deprecated: readonly string[] = []): boolean {
    const before = this.hosts.map(({ address }) => address);
    const same = isSameSet(addresses, before) && isSameSet(deprecated, this.deprecated);
    this.hosts = addresses.map((address) => ({ address, port: this.port }));
    this.deprecated = deprecated;
    if (same) return false;
    for (const [key, { base }] of this.reflexives) {
      if (this.has(base.address)) continue;
      this.reflexives.delete(key);
      this.mappings.forget(formatSocketAddress(base));
    }
    this.cached = undefined;
    return true;
  }

  /** Undefined: no router does that. @returns whether others can come in another way now. */
  setForwarded(forwarded: Forwarded | undefined): boolean {
    const before = this.forwarded?.external;
    this.forwarded = forwarded;
    this.cached = undefined;
    return forwarded !== undefined && (before === undefined || !sameSocketAddress(before, forwarded.external));
  }

  /** At TURN servers, the best first; `base` of each stands for the allocation. */
  setRelayed(candidates: readonly Candidate[]): void {
    this.relayed = candidates;
    this.cached = undefined;
  }

  /** The relayed address that this stands for (base/allocation-address.ts). */
  relayedAt(base: string): SocketAddress | undefined {
    return this.relayed.find((candidate) => candidate.base?.address === base)?.address;
  }

  /** Addresses that lead to us, as the configuration says. */
  setAdvertised(addresses: readonly string[]): void {
    this.advertised = addresses;
  }

  /** Of the NAT64 of this network; undefined: there is none. */
  setNat64(prefix: Nat64Prefix | undefined): void {
    this.nat64 = prefix;
  }

  /** Where to send to for `remote`: a host without IPv4 reaches IPv4 addresses by the NAT64 (RFC 7050 s3). */
  reach(remote: SocketAddress): SocketAddress {
    const { nat64 } = this;
    if (nat64 === undefined || remote.address.includes(':')) return remote;
    if (this.hosts.some(({ address }) => !address.includes(':'))) return remote;
    return { ...remote, address: synthesize(nat64, remote.address) };
  }

  /** The address that others know, of one that `reach` has given. */
  known(remote: SocketAddress): SocketAddress {
    const { nat64 } = this;
    return nat64 === undefined ? remote : { ...remote, address: withoutNat64(nat64, remote.address) };
  }

  /** Where peers and STUN servers see us, and others can come; none behind a NAT that gives each of them another address. */
  whereSeen(): SocketAddress[] {
    return dependsOnDestination(this.natMapping) ? [] : this.agreed.map(({ mapped }) => mapped);
  }

  /** STUN servers of the configuration. */
  get servers(): readonly SocketAddress[] {
    return this.configured;
  }

  /** STUN servers that are asked beside the peers, and before them; more than some are not. */
  setServers(servers: readonly SocketAddress[]): void {
    this.configured = servers.slice(0, MAX_CONFIGURED_SERVERS);
  }

  /**
   * Asks these peers how they see us; more than some are not asked.
   * @param eager somebody waits for it: they are asked again and again.
   * @returns those that are
   */
  ask(servers: readonly SocketAddress[], now: number, eager = false): readonly SocketAddress[] {
    this.refreshAt = now + REFLEXIVE_REFRESH_MS;
    const isIpv6 = ({ address }: SocketAddress): boolean => address.includes(':');
    const asked = [...this.configured, ...servers]
      .map((server) => this.reach(server))
      .filter((server) => this.hosts.some((base) => isIpv6(base) === isIpv6(server)))
      .slice(0, MAX_BINDING_SERVERS);
    for (const server of asked)
      for (const base of this.hosts) {
        if (isIpv6(base) !== isIpv6(server)) continue;
        if (this.client.query(base, server, now, eager)) this.mappings.asked(formatSocketAddress(base), server.address);
      }
    return asked;
  }

  hasTransaction(id: string): boolean {
    return this.client.hasTransaction(id);
  }

  receive(message: StunMessage, local: SocketAddress, remote: SocketAddress, now: number): void {
    this.client.receive(message, local, remote, now);
  }

  pollTransmit(): { local: SocketAddress; remote: SocketAddress; data: Uint8Array } | undefined {
    return this.client.pollTransmit();
  }

  /** What one server told. */
  pollReflexive(now: number): Reflexive | undefined {
    for (let event = this.client.pollEvent(); event !== undefined; event = this.client.pollEvent()) {
      if (event.type !== 'mapped' || !this.has(event.local.address)) continue;
      const { local: base, server, mapped } = event;
      return this.keep({ base, server, mapped, seenAt: now });
    }
    return undefined;
  }

  /** @returns whether the NAT has given one of our addresses another mapping. */
  takeMoved(): boolean {
    let any = false;
    for (let moved = this.mappings.poll(); moved !== undefined; moved = this.mappings.poll()) {
      any = true;
      // A NAT that has changed one mapping has changed all of this base.
      for (const [key, { base, seenAt }] of this.reflexives)
        if (formatSocketAddress(base) === moved.base && seenAt < moved.at - MAPPING_DOUBT_MS)
          this.reflexives.delete(key);
      this.cached = undefined;
    }
    return any;
  }

  nextTimeout(): number | undefined {
    return earliest(this.client.nextTimeout(), this.refreshAt, this.mappings.nextTimeout());
  }

  /** @returns whether it is time to `ask` again. */
  refreshDue(now: number): boolean {
    return this.refreshAt !== undefined && now >= this.refreshAt;
  }

  handleTimeout(now: number): void {
    this.client.handleTimeout(now);
    this.mappings.handleTimeout(now);
  }

  close(): void {
    this.client.close();
  }

  private keep(reflexive: Reflexive): Reflexive {
    const { base, server, mapped, seenAt } = reflexive;
    const key = `${formatSocketAddress(base)}|${formatSocketAddress(server)}`;
    const before = this.reflexives.get(key);
    this.reflexives.delete(key);
    this.reflexives.set(key, reflexive);
    const change = before === undefined ? undefined : sameSocketAddress(before.mapped, mapped) ? 'same' : 'changed';
    this.mappings.told(formatSocketAddress(base), server.address, change, seenAt);
    for (const [other, word] of this.reflexives)
      if (sameSocketAddress(word.base, base) && word.seenAt + REFLEXIVE_WORD_MS < seenAt) this.reflexives.delete(other);
    for (const [oldest] of this.reflexives) {
      if (this.reflexives.size <= MAX_REFLEXIVES) break;
      this.reflexives.delete(oldest);
    }
    this.cached = undefined;
    return reflexive;
  }

  /** Room for each type: a host with many interfaces is called by its reflexive addresses all the same. */
  private gather(): readonly Candidate[] {
    const hosts = hostCandidates(
      this.hosts.map(({ address }) => address),
      this.port,
    );
    const reflexive: Candidate[] = [];
    const add = (base: SocketAddress, mapped: SocketAddress, server: string): void => {
      const host = hosts.find(({ address }) => sameSocketAddress(address, base));
      if (host === undefined || reflexive.length >= MAX_REFLEXIVE_CANDIDATES) return;
      if ([...hosts, ...reflexive].some(({ address }) => sameSocketAddress(address, mapped))) return;
      reflexive.push(reflexiveCandidate(host, mapped, server));
    };
    if (this.forwarded !== undefined) add(this.forwarded.base, this.forwarded.external, 'router');
    // The latest first.
    for (const { base, server, mapped } of this.agreed.toReversed()) add(base, mapped, formatSocketAddress(server));
    const isBase = ({ address }: Candidate): boolean =>
      reflexive.some(
        ({ relatedAddress }) => relatedAddress !== undefined && sameSocketAddress(relatedAddress, address),
      );
    // What servers on the Internet were reached from is one of the interfaces that matter.
    const best = [...hosts.filter(isBase), ...hosts.filter((host) => !isBase(host))];
    const relayed = this.relayed.slice(0, MAX_RELAYED_CANDIDATES);
    const kept = best.slice(0, MAX_HOST_CANDIDATES - relayed.length);
    return [...hosts.filter((host) => kept.includes(host)), ...reflexive, ...relayed];
  }
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}
