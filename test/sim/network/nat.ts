import type { Random } from '../../../src/base/random.ts';
import { formatSocketAddress } from '../../../src/base/socket-address.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { synthesize, withoutNat64, type Nat64Prefix } from '../../../src/mobility/nat64.ts';
import type { Attachment, Datagram } from './datagram.ts';
import type { EventLoop } from './event-loop.ts';
import type { Segment } from './segment.ts';

/** RFC 4787 s4.1 (mapping) and s5 (filtering). */
export type NatDependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

export interface NatBehaviour {
  readonly mapping: NatDependence;
  readonly filtering: NatDependence;
  /** RFC 4787 s4.2.1: keeps the inner port where it is free. */
  readonly portPreservation: boolean;
  /** RFC 4787 REQ-5: at least two minutes for a good NAT. */
  readonly mappingTimeoutMs: number;
  /** RFC 4787 s6. */
  readonly hairpinning: boolean;
  /** As Linux: one outer port serves mappings towards different remotes, and so each keeps the inner port (RFC 4787 s4.2.1). */
  readonly portOverloading?: boolean;
  /** RFC 6146: hosts inside have IPv6 alone, and reach what is outside by addresses of this prefix. */
  readonly nat64?: Nat64Prefix;
}

/** What most home routers do to UDP. */
export const HOME_NAT: NatBehaviour = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  portPreservation: true,
  mappingTimeoutMs: 120_000,
  hairpinning: false,
};

/** Each destination gets a mapping of its own, on a port that no one can foretell. */
export const SYMMETRIC_NAT: NatBehaviour = {
  ...HOME_NAT,
  mapping: 'address-and-port-dependent',
  portPreservation: false,
};

/**
 * A router with netfilter, `masquerade` and a firewall, which drops and does not remember what nobody inside asked for: looks
 * endpoint-independent, but each remote has a mapping of its own.
 */
export const LINUX_NAT: NatBehaviour = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  portPreservation: true,
  mappingTimeoutMs: 120_000,
  hairpinning: false,
  portOverloading: true,
};

/** Their ports are apart. */
type Transport = 'udp' | 'tcp';

interface Mapping {
  readonly inner: SocketAddress;
  readonly outer: SocketAddress;
  readonly key: string;
  readonly outerKey: string;
  /** Where the inner host sent to, by filter key, and when last. */
  readonly permitted: Map<string, number>;
  lastOutbound: number;
}

function dependenceKey(dependence: NatDependence, remote: SocketAddress): string {
  if (dependence === 'endpoint-independent') return '';
  return dependence === 'address-dependent' ? remote.address : formatSocketAddress(remote);
}

/**
 * A NAT between an inner and an outer segment. It drops what it did not ask for, and what comes from an address that is none of
 * the inner segment's: a home router translates those of its own network only.
 */
export class Nat {
  private readonly byInner = new Map<string, Mapping>();
  private readonly byOuter = new Map<string, Mapping>();
  private carries = true;
  private readonly loop: EventLoop;
  private readonly random: Random;
  private readonly inner: Segment;
  private readonly outer: Segment;
  private readonly behaviour: NatBehaviour;
  private outerAddress: string;
  private readonly inward: Attachment = { receive: (datagram) => this.inbound(datagram) };

  constructor(
    components: { loop: EventLoop; random: Random; inner: Segment; outer: Segment },
    outerAddress: string,
    behaviour: NatBehaviour = HOME_NAT,
  ) {
    this.loop = components.loop;
    this.random = components.random;
    this.inner = components.inner;
    this.outer = components.outer;
    this.behaviour = behaviour;
    this.outerAddress = outerAddress;
    this.outer.attach(outerAddress, this.inward);
    this.inner.gateway = { receive: (datagram) => this.outbound(datagram) };
  }

  /** All mappings are gone, as after a power cut; the provider may give another address. */
  reboot(outerAddress = this.outerAddress): void {
    this.forgetAll();
    this.carries = true;
    this.outer.detach(this.outerAddress);
    this.outerAddress = outerAddress;
    this.outer.attach(outerAddress, this.inward);
  }

  /** The router hangs, or its line does: nothing passes any more, nobody is told, and the LAN stays up. */
  die(): void {
    this.carries = false;
  }

  /** Its mappings are still there. */
  revive(): void {
    this.carries = true;
  }

  /** The provider gives no address any more: what is sent to the one that it was finds nobody. Mappings are gone too. */
  loseLine(): void {
    this.forgetAll();
    this.carries = false;
    this.outer.detach(this.outerAddress);
  }

  /** The mapping by which `inner` reaches `remote` gets another outer port, as some NATs do in the middle of a flow. */
  rebind(inner: SocketAddress, remote: SocketAddress): void {
    const before = this.existing(inner, remote);
    this.forget(before);
    const port = this.randomPort(inner, remote);
    if (port !== undefined) this.addMapping(inner, remote, port);
  }

  /** The mapping by which `inner` reaches `remote` is gone: what comes in by it is dropped until something goes out. */
  forgetMapping(inner: SocketAddress, remote: SocketAddress): void {
    this.forget(this.existing(inner, remote));
  }

  private outbound(datagram: Datagram): void {
    if (!this.carries || !this.inner.knows(datagram.source.address)) return;
    const { nat64 } = this.behaviour;
    const { address, port } = datagram.destination;
    const destination = { address: nat64 === undefined ? address : withoutNat64(nat64, address), port };
    // There is no IPv6 outside.
    if (destination.address.includes(':') && nat64 !== undefined) return;
    const mapping = this.mappingFor(datagram.source, destination, datagram.transport ?? 'udp');
    if (mapping === undefined) return;
    mapping.lastOutbound = this.loop.now;
    mapping.permitted.set(dependenceKey(this.behaviour.filtering, destination), this.loop.now);
    const translated = { ...datagram, source: mapping.outer, destination };
    if (destination.address !== this.outerAddress) this.outer.send(translated, this.inward);
    else if (this.behaviour.hairpinning) this.inbound(translated);
  }

  private inbound(datagram: Datagram): void {
    if (!this.carries) return;
    const mapping = this.byOuter.get(
      this.outerKey(datagram.destination.port, datagram.source, datagram.transport ?? 'udp'),
    );
    if (mapping === undefined || this.expired(mapping)) return;
    const permitted = mapping.permitted.get(dependenceKey(this.behaviour.filtering, datagram.source));
    if (permitted === undefined || this.loop.now - permitted > this.behaviour.mappingTimeoutMs) return;
    const { nat64 } = this.behaviour;
    const { address, port } = datagram.source;
    const source = { address: nat64 === undefined ? address : synthesize(nat64, address), port };
    this.inner.send({ ...datagram, source, destination: mapping.inner });
  }

  private innerKey(source: SocketAddress, destination: SocketAddress, transport: Transport): string {
    return `${transport}|${formatSocketAddress(source)}|${dependenceKey(this.behaviour.mapping, destination)}`;
  }

  private outerKey(port: number, remote: SocketAddress, transport: Transport): string {
    const own = `${transport}|${port}`;
    return this.behaviour.portOverloading === true ? `${own}|${formatSocketAddress(remote)}` : own;
  }

  private existing(inner: SocketAddress, remote: SocketAddress): Mapping {
    const mapping = this.byInner.get(this.innerKey(inner, remote, 'udp'));
    if (mapping === undefined) throw new Error(`no mapping for ${formatSocketAddress(inner)}`);
    return mapping;
  }

  private mappingFor(source: SocketAddress, destination: SocketAddress, transport: Transport): Mapping | undefined {
    const known = this.byInner.get(this.innerKey(source, destination, transport));
    if (known !== undefined && !this.expired(known)) return known;
    if (known !== undefined) this.forget(known);
    const port =
      this.behaviour.portPreservation && this.isFree(source.port, destination, transport)
        ? source.port
        : this.randomPort(source, destination, transport);
    return port === undefined ? undefined : this.addMapping(source, destination, port, transport);
  }

  private addMapping(
    source: SocketAddress,
    destination: SocketAddress,
    port: number,
    transport: Transport = 'udp',
  ): Mapping {
    const key = this.innerKey(source, destination, transport);
    const outerKey = this.outerKey(port, destination, transport);
    const outer = { address: this.outerAddress, port };
    const mapping = { inner: source, outer, key, outerKey, permitted: new Map(), lastOutbound: this.loop.now };
    this.byInner.set(key, mapping);
    this.byOuter.set(outerKey, mapping);
    return mapping;
  }

  private isFree(port: number, remote: SocketAddress, transport: Transport): boolean {
    const outerKey = this.outerKey(port, remote, transport);
    const holder = this.byOuter.get(outerKey);
    if (holder === undefined) return true;
    if (!this.expired(holder)) return false;
    this.forget(holder);
    return true;
  }

  private randomPort(
    { port: but }: SocketAddress,
    remote: SocketAddress,
    transport: Transport = 'udp',
  ): number | undefined {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const port = 1024 + (this.random.uint32() % 64512);
      if (port !== but && this.isFree(port, remote, transport)) return port;
    }
    return undefined;
  }

  private expired(mapping: Mapping): boolean {
    return this.loop.now - mapping.lastOutbound > this.behaviour.mappingTimeoutMs;
  }

  private forget(mapping: Mapping): void {
    this.byInner.delete(mapping.key);
    this.byOuter.delete(mapping.outerKey);
  }

  private forgetAll(): void {
    this.byInner.clear();
    this.byOuter.clear();
  }
}
