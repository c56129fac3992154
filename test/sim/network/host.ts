import { BlockList } from 'node:net';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import type { Attachment, Datagram } from './datagram.ts';
import type { Segment } from './segment.ts';

type PortHandler = (datagram: Datagram) => void;

/** Of the first interface with a default route; each one after it has one more, as NetworkManager does it for equal devices. */
const FIRST_METRIC = 100;
const SUBNET_BITS = { 4: 24, 6: 64 } as const;

/** Documentation addresses (RFC 5737, RFC 3849) that no test has: the way to them is the default route. */
const FAR_AWAY = ['192.0.2.255', '2001:db8:ffff::1'];

type Family = keyof typeof SUBNET_BITS;

interface OwnAddress {
  readonly address: string;
  readonly family: Family;
  readonly subnet: BlockList;
  deprecated: boolean;
}

function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

function ownAddress(address: string): OwnAddress {
  const family = familyOf(address);
  const subnet = new BlockList();
  subnet.addSubnet(address, SUBNET_BITS[family], `ipv${family}`);
  return { address, family, subnet, deprecated: false };
}

/** One interface in one segment. */
class Interface implements Attachment {
  readonly segment: Segment;
  readonly addresses: OwnAddress[] = [];
  /** Of the default route of each family by which an address of it is there; absent: it has none. */
  defaultMetric: number | undefined;
  private readonly taker: (datagram: Datagram) => void;

  constructor(segment: Segment, taker: (datagram: Datagram) => void) {
    this.segment = segment;
    this.taker = taker;
  }

  receive(datagram: Datagram): void {
    this.taker(datagram);
  }

  add(address: string): void {
    this.segment.attach(address, this);
    this.addresses.push(ownAddress(address));
  }

  has(address: string): boolean {
    return this.addresses.some((own) => own.address === address);
  }

  /** Of its best route to `destination`: the length of the prefix, the metric. Undefined: none. */
  routeTo(destination: string, family: Family): { readonly bits: number; readonly metric: number } | undefined {
    const own = this.addresses.filter((address) => address.family === family);
    const metric = this.defaultMetric ?? Number.MAX_SAFE_INTEGER;
    if (own.some(({ subnet }) => subnet.check(destination, `ipv${family}`)))
      return { bits: SUBNET_BITS[family], metric };
    return own.length > 0 && this.defaultMetric !== undefined ? { bits: 0, metric } : undefined;
  }

  /** RFC 6724 s5, as far as it matters here: rule 3 avoids deprecated addresses. */
  sourceFor(family: Family): string | undefined {
    const own = this.addresses.filter((address) => address.family === family);
    return (own.find(({ deprecated }) => !deprecated) ?? own[0])?.address;
  }
}

/**
 * A machine with interfaces in segments and UDP ports that programs have bound. It routes as Linux does: the destination
 * chooses the interface (the longest prefix, then the lowest metric), whatever the source address is, and the interface
 * chooses a source address where the program named none. A socket bound to a device sees the routes of that one only.
 * Datagrams to any of its addresses are taken from every interface (the weak host model of RFC 1122 s3.3.4.2).
 */
export class SimHost {
  /** By name. */
  private readonly interfaces = new Map<string, Interface>();
  private readonly ports = new Map<number, PortHandler>();
  private tcp: PortHandler | undefined;
  private readonly watchers = new Set<() => void>();
  private readonly routes = new Map<string, Interface | undefined>();
  private nextMetric = FIRST_METRIC;

  /** As src/agent/host-network.ts tells them: those first that the kernel sends from to far away. */
  get addresses(): string[] {
    const sources = FAR_AWAY.map((remote) => this.route(remote)?.sourceFor(familyOf(remote)));
    const all = this.all.filter(({ deprecated }) => !deprecated).map(({ address }) => address);
    return [
      ...all.filter((address) => sources.includes(address)),
      ...all.filter((address) => !sources.includes(address)),
    ];
  }

  /** Still there; nothing new is to use them. */
  get deprecated(): string[] {
    return this.all.filter(({ deprecated }) => deprecated).map(({ address }) => address);
  }

  /** Its preferred lifetime is over (RFC 4862 s5.5.4), as that of temporary addresses each day. */
  deprecate(address: string): void {
    for (const own of this.all) if (own.address === address) own.deprecated = true;
    this.notify();
  }

  /**
   * An interface gets an address in `segment`, and comes up with its first one. Where the segment leads further it has a
   * default route, after those of the interfaces that came before. `device`: several of one segment have names of their own.
   */
  plug(segment: Segment, address: string, device = segment.name): void {
    let plugged = this.interfaces.get(device);
    if (plugged === undefined) {
      plugged = this.newInterface(segment);
      this.interfaces.set(device, plugged);
    } else if (plugged.segment !== segment) throw new Error(`${device} is in ${plugged.segment.name}`);
    plugged.add(address);
    this.notify();
  }

  /** The address is gone; with its last one an interface goes down. */
  unplug(address: string): void {
    for (const [device, { segment, addresses }] of this.interfaces) {
      const index = addresses.findIndex((own) => own.address === address);
      if (index < 0) continue;
      segment.detach(address);
      addresses.splice(index, 1);
      if (addresses.length === 0) this.interfaces.delete(device);
    }
    this.notify();
  }

  /** Loses every network and gets another one: one change of addresses, as rtnetlink coalesces it. */
  move(segment: Segment, address: string): void {
    for (const { addresses, segment: old } of this.interfaces.values())
      for (const own of addresses) old.detach(own.address);
    this.interfaces.clear();
    this.plug(segment, address);
  }

  /** The addresses stay. `metric` null: the default route of `device` is taken away. */
  setDefaultRoute(device: string, metric: number | null): void {
    const changed = this.interfaces.get(device);
    if (changed === undefined) throw new Error(`no interface ${device}`);
    changed.defaultMetric = metric ?? undefined;
    this.notify();
  }

  /** `ip route replace default dev DEVICE` where one default route is all there is: no other interface has one afterwards. */
  moveDefaultRoute(device: string): void {
    if (!this.interfaces.has(device)) throw new Error(`no interface ${device}`);
    for (const [name, each] of this.interfaces) each.defaultMetric = name === device ? FIRST_METRIC : undefined;
    this.notify();
  }

  /** Interfaces with a default route, the best first. */
  get uplinks(): string[] {
    return [...this.interfaces]
      .filter(([, { defaultMetric }]) => defaultMetric !== undefined)
      .sort(([, a], [, b]) => (a.defaultMetric ?? 0) - (b.defaultMetric ?? 0))
      .map(([device]) => device);
  }

  /** Their addresses, in the same order. */
  get uplinkAddresses(): string[][] {
    return this.uplinks.map((device) => this.interfaces.get(device)?.addresses.map(({ address }) => address) ?? []);
  }

  /** Which interface has the address. */
  deviceOf(address: string): string | undefined {
    return [...this.interfaces].find(([, each]) => each.has(address))?.[0];
  }

  /** Whether a datagram to `remote` can leave by the interface that has `local`, as native/src/net/uplinks.h tells. */
  reaches(local: string, remote: string): boolean {
    const device = this.deviceOf(local);
    return device !== undefined && this.routeBy(device, remote) !== undefined;
  }

  /** @returns a function that stops watching. */
  onAddressChange(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  bind(port: number, handler: PortHandler): void {
    if (this.ports.has(port)) throw new Error(`port ${port} is in use`);
    this.ports.set(port, handler);
  }

  unbind(port: number): void {
    this.ports.delete(port);
  }

  /**
   * All its TCP (sim-tcp.ts); undefined: nothing answers any more, as of a machine that has lost its power.
   * @returns false: another node of this host has it.
   */
  bindTcp(handler: PortHandler | undefined): boolean {
    if (handler !== undefined && this.tcp !== undefined) return false;
    this.tcp = handler;
    return true;
  }

  /** The source address that the kernel chooses for `remote`; undefined: no route. */
  sourceFor(remote: string): string | undefined {
    return this.route(remote)?.sourceFor(familyOf(remote));
  }

  /** As the kernel routes, from an address that a socket has had since it was connected. @returns false: no route, or no such address. */
  sendTcp(source: SocketAddress, destination: SocketAddress, data: Uint8Array): boolean {
    const out = this.route(destination.address);
    if (out === undefined || this.deviceOf(source.address) === undefined) return false;
    out.segment.send({ source, destination, data: data.slice(), transport: 'tcp' }, out);
    return true;
  }

  /**
   * `from`: the source address (IP_PKTINFO), null: the kernel chooses. `device`: of a socket that is bound to one.
   * @returns false where sendmsg fails: no route (ENETUNREACH), or a source address that the host does not have (EINVAL).
   */
  send(from: string | null, port: number, destination: SocketAddress, data: Uint8Array, device?: string): boolean {
    const family = familyOf(destination.address);
    if (from !== null && (familyOf(from) !== family || this.deviceOf(from) === undefined)) return false;
    const out = device === undefined ? this.route(destination.address) : this.routeBy(device, destination.address);
    const address = from ?? out?.sourceFor(family);
    if (out === undefined || address === undefined) return false;
    out.segment.send({ source: { address, port }, destination, data: data.slice() }, out);
    return true;
  }

  receive(datagram: Datagram): void {
    if (datagram.transport === 'tcp') this.tcp?.(datagram);
    else this.ports.get(datagram.destination.port)?.(datagram);
  }

  private get all(): OwnAddress[] {
    return [...this.interfaces.values()].flatMap(({ addresses }) => addresses);
  }

  private newInterface(segment: Segment): Interface {
    const made = new Interface(segment, (datagram) => this.receive(datagram));
    if (segment.leadsFurther) made.defaultMetric = this.nextMetric++;
    return made;
  }

  private route(destination: string): Interface | undefined {
    const known = this.routes.get(destination);
    if (known !== undefined || this.routes.has(destination)) return known;
    const found = this.findRoute(destination);
    this.routes.set(destination, found);
    return found;
  }

  private findRoute(destination: string): Interface | undefined {
    const family = familyOf(destination);
    const local = this.deviceOf(destination);
    if (local !== undefined) return this.interfaces.get(local);
    let best: { readonly bits: number; readonly metric: number; readonly by: Interface } | undefined;
    for (const by of this.interfaces.values()) {
      const route = by.routeTo(destination, family);
      if (route === undefined) continue;
      if (best === undefined || route.bits > best.bits || (route.bits === best.bits && route.metric < best.metric))
        best = { ...route, by };
    }
    return best?.by;
  }

  private routeBy(device: string, destination: string): Interface | undefined {
    const bound = this.interfaces.get(device);
    return bound?.routeTo(destination, familyOf(destination)) === undefined ? undefined : bound;
  }

  private notify(): void {
    this.routes.clear();
    for (const watcher of this.watchers) watcher();
  }
}
