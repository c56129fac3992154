import { silentLogger } from '../../../src/base/logger.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { SimNetwork } from './network.ts';
import type { SegmentQuality } from './segment.ts';
import { simHit, SimNode } from './sim-node.ts';
import type { SimOverlay } from './sim-node.ts';

export type Who = 'a' | 'b';

/** What two hosts that start at about the same time do to be linked, ms after the start of the first. */
export interface Starts {
  /** B is started then; before that nobody is at its address. */
  readonly bUp: number;
  /** Each dials the other one's address, which it knows from before. */
  readonly dials: readonly { readonly who: Who; readonly at: number }[];
  /** An Attach of `who`, by way of others, which takes `wayMs` there and as long back. */
  readonly offers: readonly { readonly who: Who; readonly at: number; readonly wayMs: number }[];
}

/** Two hosts with public addresses that reach for each other by dials and through the overlay, in any order. */
export class TwoStarters {
  readonly network: SimNetwork;
  readonly a: SimNode;
  private other: SimNode | undefined;

  constructor(
    seed: number,
    quality: SegmentQuality,
    starts: Starts,
    options: { readonly lagMs?: number; readonly loggerOf?: (who: Who) => Logger } = {},
  ) {
    this.network = new SimNetwork(seed, quality);
    const { network } = this;
    const { loop } = network;
    const overlay: SimOverlay = { nodes: new Map(), via: simHit(1) };
    const hosts = {
      a: network.host(network.internet, '203.0.113.10'),
      b: network.host(network.internet, '203.0.113.11'),
    };
    const start = (who: Who): SimNode =>
      new SimNode(network, hosts[who], simHit(who === 'a' ? 2 : 3), overlay, {
        logger: options.loggerOf?.(who) ?? silentLogger,
        lagMs: options.lagMs ?? 0,
      });
    this.a = start('a');
    loop.after(starts.bUp, () => (this.other = start('b')));
    for (const { who, at } of starts.dials)
      loop.after(at, () => {
        const node = this.node(who);
        const [address = ''] = hosts[who === 'a' ? 'b' : 'a'].addresses;
        node?.input(() => node.links.connectDirect({ address, port: 6084 }, node.now));
      });
    for (const { who, at, wayMs } of starts.offers) loop.after(at, () => this.offer(who, wayMs));
  }

  get b(): SimNode {
    if (this.other === undefined) throw new Error('b is not started yet');
    return this.other;
  }

  get linked(): boolean {
    const { a, other } = this;
    return other !== undefined && a.links.isUp(other.hit) && other.links.isUp(a.hit);
  }

  /** Both ends have the same association, and each gets what the other one sends. */
  talks(): boolean {
    const { a, b } = this;
    this.network.internet.quality = { latencyMs: 1 };
    const mark = `${this.network.loop.now}`;
    a.sendPacket(b.hit, mark);
    b.sendPacket(a.hit, mark);
    this.network.loop.run(2_000);
    return [a, b].every((node) => node.dataPlane.delivered.some(({ payload }) => payload === mark));
  }

  private node(who: Who): SimNode | undefined {
    return who === 'a' ? this.a : this.other;
  }

  private offer(who: Who, wayMs: number): void {
    const from = this.node(who);
    const to = this.node(who === 'a' ? 'b' : 'a');
    if (from === undefined || to === undefined) return;
    // A host that is linked already sends no Attach.
    if (from.links.isUp(to.hit)) return;
    const offer = from.input(() => from.links.offer(to.hit));
    const { loop } = this.network;
    loop.after(wayMs, () => {
      const answer = to.input(() => to.links.answer(from.hit, offer));
      loop.after(wayMs, () => from.input(() => from.links.accept(to.hit, answer)));
    });
  }
}
