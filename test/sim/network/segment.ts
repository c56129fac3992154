import { formatSocketAddress } from '../../../src/base/socket-address.ts';
import type { Random } from '../../../src/base/random.ts';
import type { Attachment, Datagram } from './datagram.ts';
import type { EventLoop } from './event-loop.ts';

export interface SegmentQuality {
  /** One way, ms. */
  readonly latencyMs: number;
  /** Added to each datagram, uniform in [0, jitterMs): more than their distance in time reorders them. */
  readonly jitterMs?: number;
  /** Probability in [0, 1]. */
  readonly loss?: number;
  readonly duplicate?: number;
  /** What is longer, IP header included, is lost and nobody is told: a path MTU without ICMP. */
  readonly mtu?: number;
}

const UDP_HEADER_BYTES = 8;
const IP_HEADER_BYTES = { 4: 20, 6: 40 } as const;

/** With the headers of UDP and IP. */
function datagramBytes({ destination, data }: Datagram): number {
  return IP_HEADER_BYTES[destination.address.includes(':') ? 6 : 4] + UDP_HEADER_BYTES + data.length;
}

/** Told of each datagram, for the flow that a failed test prints. */
export type FlowObserver = (
  now: number,
  segment: string,
  what: 'sent' | 'lost' | 'unroutable',
  datagram: Datagram,
) => void;

/**
 * A network in which every address is reachable from every other one: a home LAN, or the Internet.
 * What is addressed elsewhere goes to the gateway, when there is one.
 */
export class Segment {
  readonly name: string;
  quality: SegmentQuality;
  gateway: Attachment | undefined;
  /** Without a gateway: everything there is lies within. */
  readonly isInternet: boolean;
  /** What a broken network does not carry. */
  isCut: (datagram: Datagram) => boolean = () => false;
  private readonly members = new Map<string, Attachment>();
  private readonly given = new Set<string>();
  private readonly loop: EventLoop;
  private readonly random: Random;
  private readonly observe: FlowObserver;

  constructor(
    components: { loop: EventLoop; random: Random; observe: FlowObserver },
    name: string,
    quality: SegmentQuality,
    isInternet = false,
  ) {
    this.isInternet = isInternet;
    this.loop = components.loop;
    this.random = components.random;
    this.observe = components.observe;
    this.name = name;
    this.quality = quality;
  }

  /** Whether its router tells hosts a default route. */
  get leadsFurther(): boolean {
    return this.isInternet || this.gateway !== undefined;
  }

  attach(address: string, member: Attachment): void {
    if (this.members.has(address)) throw new Error(`${address} is taken in ${this.name}`);
    this.members.set(address, member);
    this.given.add(address);
  }

  detach(address: string): void {
    this.members.delete(address);
  }

  /** It is an address of this network, whoever has it. */
  knows(address: string): boolean {
    return this.given.has(address);
  }

  /**
   * Who takes the datagram is settled when it arrives: a host that left meanwhile does not get it. The Internet drops what
   * comes from an address that it has not given to the `sender` (BCP 38); without a sender the source is forged.
   */
  send(datagram: Datagram, sender?: Attachment): void {
    const { latencyMs, jitterMs = 0, loss = 0, duplicate = 0, mtu = Infinity } = this.quality;
    const foreign = this.isInternet && sender !== undefined && this.members.get(datagram.source.address) !== sender;
    if (foreign || datagramBytes(datagram) > mtu || this.isCut(datagram) || this.random.float() < loss) {
      this.observe(this.loop.now, this.name, 'lost', datagram);
      return;
    }
    this.observe(this.loop.now, this.name, 'sent', datagram);
    const copies = this.random.float() < duplicate ? 2 : 1;
    for (let copy = 0; copy < copies; copy++)
      this.loop.after(latencyMs + this.random.float() * jitterMs, () => {
        const member = this.members.get(datagram.destination.address) ?? this.gateway;
        if (member === undefined) this.observe(this.loop.now, this.name, 'unroutable', datagram);
        else member.receive(datagram);
      });
  }
}

/** One line of a flow: `12.5 home-a 10.0.0.2:6084 -> 203.0.113.1:6084 stun 96`. */
export function describeDatagram(now: number, segment: string, what: string, datagram: Datagram): string {
  const first = datagram.data[0] ?? 0;
  const kind =
    datagram.transport === 'tcp'
      ? 'tcp'
      : first < 4
        ? 'stun'
        : first === 22
          ? 'handshake'
          : first === 23
            ? 'record'
            : 'other';
  const route = `${formatSocketAddress(datagram.source)} -> ${formatSocketAddress(datagram.destination)}`;
  return `${now.toFixed(1)} ${segment} ${what} ${route} ${kind} ${datagram.data.length}`;
}
