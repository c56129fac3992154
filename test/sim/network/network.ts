import { seededRandom } from '../../../src/base/random.ts';
import type { Random } from '../../../src/base/random.ts';
import { EventLoop } from './event-loop.ts';
import { SimHost } from './host.ts';
import { HOME_NAT, Nat } from './nat.ts';
import type { NatBehaviour } from './nat.ts';
import { describeDatagram, Segment } from './segment.ts';
import type { FlowObserver, SegmentQuality } from './segment.ts';

const FLOW_LINES_KEPT = 120;

/**
 * The world of one test: virtual time, the Internet, homes behind NATs, hosts. Everything random comes from one seed.
 *
 * ```
 *   home-a 10.0.0.0/24 --- NAT 198.51.100.1 ---+
 *                                              internet --- public hosts
 *   home-b 10.0.0.0/24 --- NAT 198.51.100.2 ---+
 * ```
 */
export class SimNetwork {
  readonly loop = new EventLoop();
  readonly random: Random;
  readonly internet: Segment;
  /** The latest datagrams, for a test that failed. */
  readonly flow: string[] = [];
  private readonly observe: FlowObserver = (now, segment, what, datagram) => {
    if (this.flow.length >= FLOW_LINES_KEPT) this.flow.shift();
    this.flow.push(describeDatagram(now, segment, what, datagram));
  };

  constructor(seed: number, internet: SegmentQuality = { latencyMs: 10 }) {
    this.random = seededRandom(seed);
    this.internet = this.newSegment('internet', internet, true);
  }

  /** A network that leads nowhere until a NAT makes itself its gateway. */
  segment(name: string, quality: SegmentQuality = { latencyMs: 1 }): Segment {
    return this.newSegment(name, quality, false);
  }

  /** A segment behind a NAT of its own on the Internet. */
  home(name: string, outerAddress: string, behaviour: NatBehaviour = HOME_NAT): { lan: Segment; nat: Nat } {
    const lan = this.segment(name);
    const nat = new Nat(
      { loop: this.loop, random: this.random, inner: lan, outer: this.internet },
      outerAddress,
      behaviour,
    );
    return { lan, nat };
  }

  host(segment: Segment, address: string): SimHost {
    const host = new SimHost();
    host.plug(segment, address);
    return host;
  }

  private newSegment(name: string, quality: SegmentQuality, isInternet: boolean): Segment {
    const { loop, random, observe } = this;
    return new Segment({ loop, random, observe }, name, quality, isInternet);
  }
}
