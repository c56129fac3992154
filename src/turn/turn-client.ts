import { isAllocationAddress, toAllocationAddress } from '../base/allocation-address.ts';
import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import type { LogFields, Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import { TURN_SERVER_LOCAL_ADDRESS, toStreamAddress } from '../base/stream-address.ts';
import { DATA_METHOD } from '../stun/message.ts';
import type { StunMessage } from '../stun/message.ts';
import { Allocation, type AllocationEvent } from './allocation.ts';
import { LOST_RETRY_MS, MAX_TURN_SERVERS, RETRY_MS, STREAM_HEAD_START_MS } from './constants.ts';
import { LongTermCredentials } from './long-term-credentials.ts';

/** How TLS proves who a server is. */
export interface TurnTls {
  /** What its certificate has to be for: a host name, or an IP address. */
  readonly name: string;
  /** Whose word is taken for that: PEM; empty: of those that the system trusts. */
  readonly authorities: string;
}

export interface TurnServer {
  readonly address: SocketAddress;
  readonly username: string;
  readonly password: string;
  /** By a stream: over TCP with TLS, which proves nothing where the server is a member, or (null) without. Absent: over UDP. */
  readonly stream?: { readonly tls: TurnTls | 'member' | null };
}

/** `stream`: the number of one. */
export type TurnTransmit =
  | { readonly type: 'send'; readonly local: SocketAddress; readonly remote: SocketAddress; readonly data: Uint8Array }
  | {
      readonly type: 'dial';
      readonly stream: number;
      readonly remote: SocketAddress;
      readonly tls: TurnTls | 'member' | null;
    }
  | { readonly type: 'hangUp'; readonly stream: number };

/** Which of our addresses sends to the server, and where that is; or what stands for the two ends of a stream (base/stream-address.ts). */
export interface TurnRoute {
  readonly base: SocketAddress;
  readonly server: SocketAddress;
}

/** `local` stands for the allocation (base/allocation-address.ts), without a port of its own. */
export type TurnEvent =
  /** There is another relayed address, or one less. */
  | { readonly type: 'allocated' | 'ended'; readonly local: string; readonly route: TurnRoute }
  | {
      readonly type: 'bound' | 'unbound';
      readonly local: string;
      readonly peer: SocketAddress;
      readonly channel: number;
      readonly route: TurnRoute;
      /** What waited to be sent to the peer. */
      readonly held?: Uint8Array;
    };

/** What is done about one server. */
interface Service {
  readonly server: TurnServer;
  allocation: Allocation | undefined;
  /** Of those of our addresses that are of its family: which is tried next. */
  next: number;
  tried: number;
  rounds: number;
  retryAt: number | undefined;
  /** The number of the one that it goes by. */
  stream: number | undefined;
  /** After which it is tried again, for the first time. */
  retryMs: number;
}

/**
 * Relayed addresses at the TURN servers of the configuration (RFC 8656): at each one of every family that it has, from the first of our addresses that the
 * server answers to. Whatever fails is tried again: at once when our addresses change, else after a while. Nothing that a server
 * sends ends it.
 *
 * Servers over TCP and TLS (s3.1) are for where UDP is blocked: they are dialed when none over UDP has given an address within
 * `STREAM_HEAD_START_MS`, and left when one has and nothing goes by them any more.
 */
export class TurnClient implements Timed {
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly isWanted: (local: string, peer: SocketAddress) => boolean;
  private services: Service[] = [];
  private bases: readonly SocketAddress[] = [];
  /** When streams are dialed; undefined: there is no need. */
  private streamsAt: number | undefined;
  private lastStream = 0;
  private transmits: TurnTransmit[] = [];
  private events: TurnEvent[] = [];

  constructor(components: {
    readonly random: Random;
    readonly logger: Logger;
    /** Whether something still goes to the peer from that allocation. */
    readonly isWanted: (local: string, peer: SocketAddress) => boolean;
  }) {
    this.random = components.random;
    this.logger = components.logger;
    this.isWanted = components.isWanted;
  }

  /** Those of before that are not among them are left. Of many the first are taken; those over UDP go before the others. */
  setServers(servers: readonly TurnServer[], now: number): void {
    const wanted = servers
      .slice(0, MAX_TURN_SERVERS)
      .toSorted((a, b) => Number(a.stream !== undefined) - Number(b.stream !== undefined));
    const kept = this.services.filter(({ server }) => wanted.some((other) => isSame(other, server)));
    for (const service of this.services) if (!kept.includes(service)) this.leave(service, now);
    this.services = wanted.map((server) => kept.find((service) => isSame(service.server, server)) ?? serviceOf(server));
    this.streamsAt = undefined;
    for (const service of this.services)
      if (!kept.includes(service) && service.server.stream === undefined) this.begin(service, now);
    this.weighStreams(now);
  }

  /** Our addresses, the best first. An allocation from one that is gone is lost; of streams the kernel tells. */
  setBases(bases: readonly SocketAddress[], now: number): void {
    const before = this.bases;
    this.bases = bases;
    const isAsBefore = (base: SocketAddress, i: number): boolean =>
      before[i] !== undefined && sameSocketAddress(base, before[i]);
    if (bases.length === before.length && bases.every(isAsBefore)) return;
    this.streamsAt = undefined;
    for (const service of this.services) {
      const { allocation, server } = service;
      if (allocation !== undefined && this.basesOf(server).some((base) => sameSocketAddress(base, allocation.base)))
        continue;
      this.drop(service);
      service.next = service.tried = service.rounds = 0;
      service.retryMs = RETRY_MS.least;
      if (server.stream === undefined) this.begin(service, now);
    }
    this.weighStreams(now);
  }

  /** What our allocations are reached at, and from which of our addresses they are kept. */
  get allocations(): readonly { readonly local: string; readonly relayed: SocketAddress; readonly route: TurnRoute }[] {
    return this.services.flatMap(({ allocation }) => {
      if (allocation === undefined) return [];
      const route = routeOf(allocation);
      return allocation.relayed.map((relayed) => ({ local: toAllocationAddress(relayed), relayed, route }));
    });
  }

  /** Of allocations by streams, where there are servers over UDP and none of them answers. */
  get besideUdp(): readonly string[] {
    const overUdp = this.services.filter(({ server }) => server.stream === undefined);
    if (overUdp.length === 0 || overUdp.some(isAllocated)) return [];
    return this.allocations.map(({ local }) => local);
  }

  has(local: string): boolean {
    return this.find(local) !== undefined;
  }

  /**
   * To be asked before each datagram from an allocation, or once (without `data`) before the data plane sends from there.
   * @returns whether it may be sent. If not yet, it comes again with `bound`, unless another one follows it or it never may be.
   */
  open(local: string, peer: SocketAddress, data: Uint8Array | undefined, now: number): boolean {
    const allocation = this.find(local);
    const isOpen = allocation?.open(peer, data, now) === true;
    this.collect(now);
    return isOpen;
  }

  /** Something is sent and nothing comes back: the allocations may be none any more. */
  verify(now: number): void {
    for (const { allocation } of this.services) allocation?.verify(now);
    this.collect(now);
  }

  hasTransaction(id: string): boolean {
    return this.services.some(({ allocation }) => allocation?.hasTransaction(id) === true);
  }

  /** A stream is over, by whatever but `hangUp`. */
  streamEnded(stream: number, reason: string, now: number): void {
    const service = this.services.find((other) => other.stream === stream);
    if (service?.allocation === undefined) return;
    service.stream = undefined;
    this.ended(service, service.allocation, reason, now);
    this.collect(now);
  }

  /** An answer of a server. Another's is not taken. */
  receive(message: StunMessage, raw: Uint8Array, local: SocketAddress, remote: SocketAddress, now: number): void {
    for (const { allocation } of this.services)
      if (allocation?.hasTransaction(message.transactionId) === true && isRoute(allocation, local, remote))
        allocation.receive(message, raw, now);
    this.collect(now);
  }

  /**
   * A datagram of a peer to which no channel is bound (RFC 8656 s11.4).
   * @returns undefined: it is none, or not from a server where we have an allocation.
   */
  unwrap(
    message: StunMessage,
    local: SocketAddress,
    remote: SocketAddress,
  ): { readonly local: string; readonly peer: SocketAddress; readonly data: Uint8Array } | undefined {
    const { xorPeerAddress: peer, data } = message.attributes;
    if (message.class !== 'indication' || message.method !== DATA_METHOD) return undefined;
    if (peer === undefined || data === undefined || peer.port === 0) return undefined;
    const service = this.services.find(
      ({ allocation }) => allocation !== undefined && isRoute(allocation, local, remote),
    );
    const relayed = service?.allocation?.relayedFor(peer);
    return relayed === undefined ? undefined : { local: toAllocationAddress(relayed), peer, data };
  }

  /** To be carried out in order. */
  pollTransmit(): TurnTransmit | undefined {
    return this.transmits.shift();
  }

  pollEvent(): TurnEvent | undefined {
    return this.events.shift();
  }

  nextTimeout(): number | undefined {
    const isDue = this.bases.length > 0 && this.services.some((service) => this.isWaiting(service));
    return earliest(
      isDue ? this.streamsAt : undefined,
      ...this.services.flatMap(({ allocation, retryAt }) => [allocation?.nextTimeout(), retryAt]),
    );
  }

  handleTimeout(now: number): void {
    for (const service of this.services) {
      service.allocation?.handleTimeout(now);
      if (service.retryAt !== undefined && now >= service.retryAt) this.begin(service, now);
    }
    this.collect(now);
  }

  /** Idempotent. The servers are told; what is to be sent for it, and what ends by it, is there to be polled. */
  close(now: number): void {
    this.setServers([], now);
  }

  private begin(service: Service, now: number): void {
    const { server } = service;
    service.retryAt = undefined;
    const usable = this.basesOf(server);
    const base = usable[service.next % Math.max(1, usable.length)];
    // Without an address, `setBases` begins anew.
    if (base === undefined) return;
    const { random } = this;
    const credentials = new LongTermCredentials(server);
    const isWanted = (peer: SocketAddress): boolean => {
      const relayed = service.allocation?.relayedFor(peer);
      return relayed !== undefined && this.isWanted(toAllocationAddress(relayed), peer);
    };
    const reliable = server.stream !== undefined;
    const address = reliable ? toStreamAddress(server.address) : server.address;
    if (reliable) {
      this.lastStream += 1;
      service.stream = this.lastStream;
      this.transmits.push({ type: 'dial', stream: this.lastStream, remote: address, tls: server.stream.tls });
    }
    const options = { server: address, base, reliable };
    service.allocation = new Allocation({ random, credentials, isWanted }, options, now);
    this.collect(now);
  }

  /** Those of our addresses from which that server can be reached. */
  private basesOf({ address: { address: server }, stream }: TurnServer): readonly SocketAddress[] {
    if (stream !== undefined)
      return this.bases.slice(0, 1).map(({ port }) => ({ address: TURN_SERVER_LOCAL_ADDRESS, port }));
    return this.bases.filter(({ address }) => address.includes(':') === server.includes(':'));
  }

  private isWaiting({ server, allocation, retryAt }: Service): boolean {
    return server.stream !== undefined && allocation === undefined && retryAt === undefined;
  }

  /** Whether servers are to be reached by streams, or are not any more. */
  private weighStreams(now: number): void {
    const overUdp = this.services.filter(({ server }) => server.stream === undefined);
    if (overUdp.some(isAllocated)) {
      this.streamsAt = undefined;
      for (const service of this.services)
        if (service.server.stream !== undefined && (service.allocation?.bound ?? []).length === 0)
          this.leave(service, now);
      return;
    }
    const isTried = overUdp.some(({ server }) => this.basesOf(server).length > 0);
    this.streamsAt ??= now + (isTried ? STREAM_HEAD_START_MS : 0);
    if (now < this.streamsAt || this.bases.length === 0) return;
    for (const service of this.services) if (this.isWaiting(service)) this.begin(service, now);
  }

  private collect(now: number): void {
    for (const service of this.services) {
      const { allocation } = service;
      if (allocation === undefined) continue;
      this.send(allocation);
      for (let event = allocation.pollEvent(); event !== undefined; event = allocation.pollEvent()) {
        const route = routeOf(allocation);
        if (event.type === 'ended') this.ended(service, allocation, event.reason, now);
        else if (event.type === 'allocated') this.allocated(service, event.relayed, route);
        else this.tell(allocation, event);
      }
    }
    this.weighStreams(now);
  }

  private tell(allocation: Allocation, event: Extract<AllocationEvent, { type: 'bound' | 'unbound' }>): void {
    const relayed = allocation.relayedFor(event.peer);
    if (relayed !== undefined)
      this.events.push({ ...event, local: toAllocationAddress(relayed), route: routeOf(allocation) });
  }

  private send(allocation: Allocation): void {
    const { base: local, server: remote } = allocation;
    for (let data = allocation.pollTransmit(); data !== undefined; data = allocation.pollTransmit())
      this.transmits.push({ type: 'send', local, remote, data });
  }

  private allocated(service: Service, relayed: readonly SocketAddress[], route: TurnRoute): void {
    service.tried = service.rounds = 0;
    this.logger.info('turn.allocated', {
      ...fieldsOf(service.server),
      relayed: relayed.map(formatSocketAddress).join(' '),
    });
    for (const address of relayed) this.events.push({ type: 'allocated', local: toAllocationAddress(address), route });
  }

  private ended(service: Service, allocation: Allocation, reason: string, now: number): void {
    const fields = fieldsOf(service.server);
    const wasThere = allocation.relayed.length > 0;
    this.drop(service);
    if (wasThere) {
      this.logger.warn('turn.lost', { ...fields, reason });
      // It served, and is back in a moment: until then who accepts no stream says so at once, and who hears no datagram nothing.
      service.retryMs = 2 * LOST_RETRY_MS;
      service.retryAt = now + LOST_RETRY_MS;
      return;
    }
    service.next += 1;
    service.tried += 1;
    if (service.tried < this.basesOf(service.server).length) {
      service.retryAt = now;
      return;
    }
    const waitMs = Math.min(service.retryMs * 2 ** service.rounds, RETRY_MS.most);
    service.tried = 0;
    service.rounds += 1;
    service.retryAt = now + waitMs;
    this.logger.warn('turn.failed', { ...fields, reason, retryInS: waitMs / 1_000 });
  }

  private leave(service: Service, now: number): void {
    const { allocation } = service;
    allocation?.release(now);
    if (allocation !== undefined) this.send(allocation);
    this.drop(service);
  }

  /** Its allocation is none any more. */
  private drop(service: Service): void {
    const { allocation, stream } = service;
    service.allocation = undefined;
    service.retryAt = undefined;
    service.stream = undefined;
    if (stream !== undefined) this.transmits.push({ type: 'hangUp', stream });
    if (allocation === undefined) return;
    for (const { peer, channel } of allocation.bound) this.tell(allocation, { type: 'unbound', peer, channel });
    for (const relayed of allocation.relayed)
      this.events.push({ type: 'ended', local: toAllocationAddress(relayed), route: routeOf(allocation) });
  }

  private find(local: string): Allocation | undefined {
    if (!isAllocationAddress(local)) return undefined;
    const service = this.services.find(({ allocation }) =>
      allocation?.relayed.some((relayed) => toAllocationAddress(relayed) === local),
    );
    return service?.allocation;
  }
}

function isAllocated({ allocation }: Service): boolean {
  return allocation !== undefined && allocation.relayed.length > 0;
}

function serviceOf(server: TurnServer): Service {
  const none = { allocation: undefined, retryAt: undefined, stream: undefined };
  return { server, ...none, next: 0, tried: 0, rounds: 0, retryMs: RETRY_MS.least };
}

function isSame(a: TurnServer, b: TurnServer): boolean {
  return (
    sameSocketAddress(a.address, b.address) &&
    a.username === b.username &&
    a.password === b.password &&
    overOf(a) === overOf(b) &&
    proofOf(a)?.name === proofOf(b)?.name &&
    proofOf(a)?.authorities === proofOf(b)?.authorities
  );
}

function proofOf({ stream }: TurnServer): TurnTls | undefined {
  const tls = stream?.tls;
  return tls === 'member' || tls === null ? undefined : tls;
}

function overOf({ stream }: TurnServer): 'udp' | 'tcp' | 'tls' {
  if (stream === undefined) return 'udp';
  return stream.tls === null ? 'tcp' : 'tls';
}

/** Of a server, for the log. */
function fieldsOf(server: TurnServer): LogFields {
  const name = proofOf(server)?.name;
  return { addr: formatSocketAddress(server.address), over: overOf(server), ...(name !== undefined && { name }) };
}

function routeOf({ base, server }: Allocation): TurnRoute {
  return { base, server };
}

function isRoute({ base, server }: Allocation, local: SocketAddress, remote: SocketAddress): boolean {
  return sameSocketAddress(base, local) && sameSocketAddress(server, remote);
}
