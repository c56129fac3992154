import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isAllocationAddress } from '../base/allocation-address.ts';
import type { Hit } from '../base/node-id.ts';
import { fromStreamAddress, isIndirectAddress, isStreamAddress } from '../base/stream-address.ts';
import { canPair } from '../ice/candidate-pair.ts';
import { relayedCandidate } from '../ice/candidates.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { DataPlane, LinkId } from '../native/data-plane.ts';
import type { StunMessage } from '../stun/message.ts';
import { TurnClient, type TurnServer } from '../turn/turn-client.ts';
import type { Association } from './association.ts';
import type { ConnectionTable } from './connection-table.ts';

/** What the TURN servers need of the links. */
export interface TurnPorts {
  readonly dataPlane: DataPlane;
  readonly table: ConnectionTable;
  readonly addresses: LocalAddresses;
  readonly selfHit: Hit;
  /** Where that member accepts streams. */
  readonly streamsOf: (hit: Hit) => readonly SocketAddress[];
  readonly random: Random;
  readonly logger: Logger;
  /** There is another relayed address. */
  readonly known: (now: number) => void;
  /** Nothing can be sent from this one any more. */
  readonly lost: (local: string, now: number) => void;
}

/**
 * Relayed addresses at TURN servers of the configuration, and of members: candidates of links. To ICE each is a local candidate of type relay whose
 * base stands for the allocation (base/allocation-address.ts). A channel is bound as soon as something is to be sent to a peer
 * from there, ICE's first check as a rule; from then on the data plane alone sends and receives by it.
 */
export class TurnRelays implements Timed {
  private readonly ports: TurnPorts;
  private readonly client: TurnClient;
  private configured: readonly TurnServer[] = [];
  /** Where each is, as its link with us goes or went: of that association. Undefined: there is no direct link with it. */
  private members = new Map<Hit, { readonly link: LinkId; readonly server: TurnServer } | undefined>();

  constructor(ports: TurnPorts) {
    this.ports = ports;
    const { random, logger, table } = ports;
    // What rests asks for nothing, and needs its channel all the same.
    const isWanted = (_: string, peer: SocketAddress): boolean => table.boundTo(peer) !== undefined;
    this.client = new TurnClient({ random, logger, isWanted });
  }

  setServers(servers: readonly TurnServer[], now: number): void {
    const { addresses } = this.ports;
    this.configured = servers.map((server) => ({ ...server, address: addresses.reach(server.address) }));
    this.apply(now);
  }

  /**
   * Members that are TURN servers for us, beside those of the configuration. Nothing is sent to where somebody says that he is: such a
   * server is where our link with it goes, over UDP or by a stream, which has proved who is there, and the link's secrets are the
   * password.
   */
  setMembers(hits: readonly Hit[], now: number): void {
    this.members = new Map(hits.map((hit) => [hit, this.members.get(hit)]));
    for (const hit of hits) this.follow(hit);
    this.apply(now);
  }

  /** The link with a member came up, or ended. */
  linkChanged(hit: Hit, now: number): void {
    if (this.members.has(hit) && this.follow(hit)) this.apply(now);
  }

  get isRelayed(): boolean {
    return this.client.allocations.length > 0;
  }

  /** The addresses of this host, the best first. */
  setHosts(hosts: readonly string[], now: number): void {
    const { port } = this.ports.dataPlane;
    this.client.setBases(
      hosts.map((address) => ({ address, port })),
      now,
    );
    this.pump(now);
  }

  /** A stream to a server is over. */
  streamEnded(stream: number, reason: string, now: number): void {
    this.client.streamEnded(stream, reason, now);
    this.pump(now);
  }

  /** A link is in doubt: it may be for the server. */
  doubt(now: number): void {
    this.client.verify(now);
    this.pump(now);
  }

  /** One datagram of ICE, from wherever. */
  sendDatagram(local: SocketAddress, remote: SocketAddress, data: Uint8Array, now: number): void {
    const { dataPlane } = this.ports;
    if (isAllocationAddress(local.address) && !this.client.open(local.address, remote, data, now)) this.pump(now);
    else dataPlane.sendDatagram(local, remote, data);
  }

  /**
   * From where a host is called that has not been asked to call us, when UDP seems to be blocked.
   * @returns undefined: from our own address, as ever.
   */
  wayTo(remote: SocketAddress, now: number): SocketAddress | undefined {
    const locals = this.client.besideUdp.map((address) => this.baseOf(address));
    const local = locals.find((other) => canPair(other, remote));
    if (local === undefined) return undefined;
    if (!this.client.open(local.address, remote, undefined, now)) this.pump(now);
    return local;
  }

  hasTransaction(id: string): boolean {
    return this.client.hasTransaction(id);
  }

  receive(message: StunMessage, raw: Uint8Array, local: SocketAddress, remote: SocketAddress, now: number): void {
    this.client.receive(message, raw, local, remote, now);
    this.pump(now);
  }

  /** @returns what a peer without a channel has sent, as if it had come to the relayed address; undefined: it is something else. */
  unwrap(
    message: StunMessage,
    local: SocketAddress,
    remote: SocketAddress,
  ): { readonly local: SocketAddress; readonly remote: SocketAddress; readonly data: Uint8Array } | undefined {
    const inside = this.client.unwrap(message, local, remote);
    if (inside === undefined) return undefined;
    return { local: { address: inside.local, port: local.port }, remote: inside.peer, data: inside.data };
  }

  nextTimeout(): number | undefined {
    return this.client.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.client.handleTimeout(now);
    this.pump(now);
  }

  /** Idempotent. The servers are told. */
  close(now: number): void {
    this.client.close(now);
    this.send();
    for (let event = this.client.pollEvent(); event !== undefined; event = this.client.pollEvent())
      if (event.type === 'unbound') this.ports.dataPlane.removeTurnChannel(event.local, event.peer);
  }

  /** @returns whether another server, or none, is to be used there. */
  private follow(hit: Hit): boolean {
    const { table, selfHit } = this.ports;
    const before = this.members.get(hit);
    const current = table.link(hit)?.current;
    const { secrets, path, link } = current ?? {};
    // While it serves where it was, where its link goes by now does not matter.
    const place = path === undefined || current === undefined ? undefined : this.placeOf(hit, path.remote, current);
    const isThere = before !== undefined && place !== undefined && isSamePlace(place, before.server);
    if (before !== undefined && link === before.link && (isThere || this.isRelayed)) return false;
    const server = place && secrets && { ...place, username: selfHit, password: secrets.turnPassword };
    this.members.set(hit, server === undefined || link === undefined ? undefined : { link, server });
    return before !== undefined || server !== undefined;
  }

  /** Where a member is that our link leads to directly, or by a stream that it has accepted. Undefined: nowhere. */
  private placeOf(
    hit: Hit,
    remote: SocketAddress,
    { isIndirect }: Pick<Association, 'isIndirect'>,
  ): Pick<TurnServer, 'address' | 'stream'> | undefined {
    if (isStreamAddress(remote.address)) {
      const isAccepting = this.ports.streamsOf(hit).some((other) => sameSocketAddress(other, remote));
      return isAccepting ? { address: fromStreamAddress(remote), stream: { tls: 'member' } } : undefined;
    }
    return isIndirect || isIndirectAddress(remote.address) ? undefined : { address: remote };
  }

  private apply(now: number): void {
    const found = [...this.members.values()].flatMap((member) => member?.server ?? []);
    this.client.setServers([...this.configured, ...found], now);
    this.pump(now);
  }

  private pump(now: number): void {
    this.send();
    const { dataPlane } = this.ports;
    for (let event = this.client.pollEvent(); event !== undefined; event = this.client.pollEvent()) {
      const { local, route } = event;
      switch (event.type) {
        case 'bound':
          dataPlane.setTurnChannel(local, event.peer, {
            local: route.base,
            server: route.server,
            channel: event.channel,
          });
          if (event.held !== undefined) dataPlane.sendDatagram(this.baseOf(local), event.peer, event.held);
          break;
        case 'unbound':
          dataPlane.removeTurnChannel(local, event.peer);
          break;
        case 'allocated':
          this.offer();
          this.ports.known(now);
          this.callAgain(now);
          break;
        case 'ended':
          this.offer();
          this.ports.lost(local, now);
      }
    }
  }

  /** Those who are called in vain, as UDP turns out to be blocked. */
  private callAgain(now: number): void {
    for (const association of this.ports.table.associations) {
      const { origin, state, path } = association;
      if (origin !== 'dialed' || state !== 'connecting' || path === undefined || path.local !== undefined) continue;
      const local = this.wayTo(path.remote, now);
      if (local !== undefined) association.take({ local, remote: path.remote }, now);
    }
  }

  private send(): void {
    const { dataPlane } = this.ports;
    for (let out = this.client.pollTransmit(); out !== undefined; out = this.client.pollTransmit()) {
      if (out.type === 'send') dataPlane.sendDatagram(out.local, out.remote, out.data);
      else if (out.type === 'dial') dataPlane.dialTurnServer(out.stream, out.remote, out.tls);
      else dataPlane.hangUpTurnServer(out.stream);
    }
  }

  private offer(): void {
    const { allocations } = this.client;
    this.ports.addresses.setRelayed(
      allocations.map(({ local, relayed }, place) => relayedCandidate(relayed, this.baseOf(local), place)),
    );
  }

  private baseOf(address: string): SocketAddress {
    return { address, port: this.ports.dataPlane.port };
  }
}

function isSamePlace(a: Pick<TurnServer, 'address' | 'stream'>, b: Pick<TurnServer, 'address' | 'stream'>): boolean {
  return sameSocketAddress(a.address, b.address) && (a.stream === undefined) === (b.stream === undefined);
}
