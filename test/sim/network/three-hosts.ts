import type { ExecutionContext } from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Logger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { simHit, SimNode } from './sim-node.ts';
import type { SimOverlay } from './sim-node.ts';
import { HOME_NAT } from './nat.ts';
import type { Nat, NatBehaviour } from './nat.ts';
import type { SimHost } from './host.ts';
import { SimNetwork } from './network.ts';
import type { Segment, SegmentQuality } from './segment.ts';

export interface ThreeHostsOptions {
  readonly internet?: SegmentQuality;
  readonly natA?: NatBehaviour;
  readonly natB?: NatBehaviour;
  /** Instead: all three are at addresses of their own in IPv6, in networks without a NAT. */
  readonly ipv6?: boolean;
  /** The peer hands on what A and B send each other. */
  readonly relay?: boolean;
  /** The peer accepts streams at port 443. */
  readonly streams?: boolean;
  /** Those of A and B whose link to each other may send nothing while it carries nothing. */
  readonly sleepers?: readonly ('a' | 'b')[];
}

const ADDRESSES = {
  ipv4: { peer: '203.0.113.1', a: '10.0.0.2', b: '10.0.0.2' },
  ipv6: { peer: '2001:db8:1::1', a: '2001:db8:a::10', b: '2001:db8:b::10' },
};

/**
 * The world of the first call: an overlay peer with a public address, two hosts behind NATs, and networks to move to.
 *
 * ```
 *   A 10.0.0.2 --- NAT 198.51.100.1 ---+
 *   B 10.0.0.2 --- NAT 198.51.100.2 ---+--- internet --- peer 203.0.113.1
 *     (empty)  --- NAT 198.51.100.3 ---+
 *     (empty)  --- NAT 198.51.100.4 ---+
 * ```
 */
export class ThreeHosts {
  readonly network: SimNetwork;
  readonly overlay: SimOverlay = { nodes: new Map(), via: simHit(1) };
  readonly peer: SimNode;
  a: SimNode;
  b: SimNode;
  readonly natA: Nat;
  readonly natB: Nat;
  readonly homeA: Segment;
  readonly thirdHome: Segment;
  readonly thirdNat: Nat;
  readonly fourthHome: Segment;

  constructor(
    t: ExecutionContext,
    seed: number,
    options: ThreeHostsOptions = {},
    loggerOf: (name: string) => Logger = () => silentLogger,
  ) {
    this.network = new SimNetwork(seed, options.internet);
    const homeA = this.network.home('home-a', '198.51.100.1', options.natA ?? HOME_NAT);
    const homeB = this.network.home('home-b', '198.51.100.2', options.natB ?? HOME_NAT);
    this.homeA = homeA.lan;
    this.natA = homeA.nat;
    this.natB = homeB.nat;
    const homeC = this.network.home('home-c', '198.51.100.3');
    this.thirdHome = homeC.lan;
    this.thirdNat = homeC.nat;
    this.fourthHome = this.network.home('home-d', '198.51.100.4').lan;
    const { network, overlay } = this;
    const ipv6 = options.ipv6 === true;
    const at = ADDRESSES[ipv6 ? 'ipv6' : 'ipv4'];
    const [lanA, lanB] = ipv6 ? [network.internet, network.internet] : [homeA.lan, homeB.lan];
    this.peer = new SimNode(network, network.host(network.internet, at.peer), simHit(1), overlay, {
      ...(options.streams === true && { streams: [{ address: at.peer, port: 443 }] }),
    });
    if (options.relay === true) this.peer.dataPlane.setRelay(1_000_000);
    const node = (name: 'a' | 'b', host: SimHost, hit: Hit): SimNode => {
      const maySleep = (other: Hit): boolean => options.sleepers?.includes(name) === true && other !== this.peer.hit;
      const logger = loggerOf(name);
      return new SimNode(network, host, hit, overlay, {
        ...{ logger, maySleep },
        // As the overlay tells real ones: by whom a stream leads, from a path alone nobody sees that it is in the open.
        ...(options.streams === true && { isPeer: (other: Hit) => other !== this.a.hit && other !== this.b.hit }),
      });
    };
    this.a = node('a', network.host(lanA, at.a), simHit(2));
    this.b = node('b', network.host(lanB, at.b), simHit(3));
    t.log(`seed ${seed}`);
    t.teardown(() => {
      if (!t.passed) t.log(network.flow.join('\n'));
    });
  }

  /** A and B are linked with the peer, and know how it sees them. @returns whether that worked. */
  join(): boolean {
    this.a.dial(this.peer);
    this.b.dial(this.peer);
    const isSeen = ({ links }: SimNode): boolean => links.isUp(this.peer.hit) && links.snapshot().reflexive.length > 0;
    const joined = this.until(() => isSeen(this.a) && isSeen(this.b), 20_000);
    this.network.loop.run(500);
    return joined;
  }

  /** A has a link with B. @returns whether that worked. */
  call(): boolean {
    this.a.connect(this.b.hit);
    const linked = this.until(() => this.linked, 20_000);
    this.network.loop.run(6_000);
    return linked;
  }

  get linked(): boolean {
    return this.a.links.isUp(this.b.hit) && this.b.links.isUp(this.a.hit);
  }

  /**
   * After whatever has happened: each with the peer again, and with each other.
   * @param enter whoever is not linked with the peer dials it
   * @returns with whom somebody is not linked
   */
  reunite(peer: SimNode, enter: (node: SimNode) => void): 'the peer' | 'each other' | undefined {
    const { a, b } = this;
    for (const node of [a, b]) if (!node.links.isUp(peer.hit)) enter(node);
    if (!this.until(() => a.links.isUp(peer.hit) && b.links.isUp(peer.hit), 40_000)) return 'the peer';
    // An offer needs our address as the peer sees it, and the question for that may have to be repeated.
    this.network.loop.run(3_000);
    if (!this.linked) a.connect(b.hit);
    return this.until(() => this.linked, 40_000) ? undefined : 'each other';
  }

  until(done: () => boolean, limitMs: number): boolean {
    return this.network.loop.runUntil(done, limitMs);
  }

  /** One packet every 20 ms from `from` to `to` for `ms`. */
  stream(from: SimNode, to: SimNode, ms: number): void {
    for (let at = 0; at < ms; at += 20)
      this.network.loop.after(at, () => from.sendPacket(to.hit, `${from.hit} ${this.network.loop.now}`));
  }

  /** The longest time without a packet at `to` after `since`, ms; up to the end of what arrived. */
  gap(to: SimNode, from: SimNode, since: number): number {
    let last = since;
    let longest = 0;
    for (const packet of to.dataPlane.delivered) {
      if (packet.from !== from.hit || packet.at < since) continue;
      longest = Math.max(longest, packet.at - last);
      last = packet.at;
    }
    return last === since ? Infinity : longest;
  }

  handshakes(from: SimNode, to: SimNode): number {
    return from.links.snapshot().links.find(({ hit }) => hit === to.hit)?.handshakes ?? 0;
  }

  linkId(from: SimNode, to: SimNode): number | undefined {
    return from.links.dataPlaneLinkOf(to.hit);
  }
}
