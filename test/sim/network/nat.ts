import type { Random } from '../../../src/base/random.ts';
import { formatSocketAddress } from '../../../src/base/socket-address.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
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

interface Mapping {
  readonly inner: SocketAddress;
  readonly outer: SocketAddress;
  readonly key: string;
  /** Where the inner host sent to, by filter key, and when last. */
  readonly permitted: Map<string, number>;
  lastOutbound: number;
}

function dependenceKey(dependence: NatDependence, remote: SocketAddress): string {
  if (dependence === 'endpoint-independent') return '';
  return dependence === 'address-dependent' ? remote.address : formatSocketAddress(remote);
}

/** A NAT between an inner and an outer segment. It drops what it did not ask for. */
export class Nat {
  private readonly byInner = new Map<string, Mapping>();
  private readonly byOuter = new Map<number, Mapping>();
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
    this.byInner.clear();
    this.byOuter.clear();
    this.outer.detach(this.outerAddress);
    this.outerAddress = outerAddress;
    this.outer.attach(outerAddress, this.inward);
  }

  private outbound(datagram: Datagram): void {
    const mapping = this.mappingFor(datagram.source, datagram.destination);
    if (mapping === undefined) return;
    mapping.lastOutbound = this.loop.now;
    mapping.permitted.set(dependenceKey(this.behaviour.filtering, datagram.destination), this.loop.now);
    const translated = { ...datagram, source: mapping.outer };
    if (datagram.destination.address !== this.outerAddress) this.outer.send(translated);
    else if (this.behaviour.hairpinning) this.inbound(translated);
  }

  private inbound(datagram: Datagram): void {
    const mapping = this.byOuter.get(datagram.destination.port);
    if (mapping === undefined || this.expired(mapping)) return;
    const permitted = mapping.permitted.get(dependenceKey(this.behaviour.filtering, datagram.source));
    if (permitted === undefined || this.loop.now - permitted > this.behaviour.mappingTimeoutMs) return;
    this.inner.send({ ...datagram, destination: mapping.inner });
  }

  private mappingFor(source: SocketAddress, destination: SocketAddress): Mapping | undefined {
    const key = `${formatSocketAddress(source)}|${dependenceKey(this.behaviour.mapping, destination)}`;
    const known = this.byInner.get(key);
    if (known !== undefined && !this.expired(known)) return known;
    if (known !== undefined) this.forget(known);
    const port = this.freePort(source.port);
    if (port === undefined) return undefined;
    const outer = { address: this.outerAddress, port };
    const mapping: Mapping = { inner: source, outer, key, permitted: new Map(), lastOutbound: this.loop.now };
    this.byInner.set(key, mapping);
    this.byOuter.set(port, mapping);
    return mapping;
  }

  private freePort(wanted: number): number | undefined {
    const free = (port: number): boolean => {
      const holder = this.byOuter.get(port);
      if (holder === undefined) return true;
      if (!this.expired(holder)) return false;
      this.forget(holder);
      return true;
    };
    if (this.behaviour.portPreservation && free(wanted)) return wanted;
    for (let attempt = 0; attempt < 1000; attempt++) {
      const port = 1024 + (this.random.uint32() % 64512);
      if (free(port)) return port;
    }
    return undefined;
  }

  private expired(mapping: Mapping): boolean {
    return this.loop.now - mapping.lastOutbound > this.behaviour.mappingTimeoutMs;
  }

  private forget(mapping: Mapping): void {
    this.byInner.delete(mapping.key);
    this.byOuter.delete(mapping.outer.port);
  }
}
