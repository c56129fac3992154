import test from 'ava';
import type { Hit } from '../../src/base/node-id.ts';
import { RENEWALS } from '../../src/link/constants.ts';
import { REPAIR_ROUNDS } from '../../src/mobility/constants.ts';
import { SimNetwork } from '../sim/network/network.ts';
import { simHit, SimNode } from '../sim/network/sim-node.ts';
import type { SimOverlay } from '../sim/network/sim-node.ts';

const LINKS = 200;
/** Each is a signature, a message and an ICE agent. */
const MOST_AT_ONCE = REPAIR_ROUNDS.atOnce + RENEWALS.atOnce;
const WITHOUT_NETWORK_MS = 10_000;

class AskingNode extends SimNode {
  /** For how many links the overlay was asked in each instant. */
  readonly asked = new Map<number, number>();

  override connect(hit: Hit): void {
    this.asked.set(this.now, (this.asked.get(this.now) ?? 0) + 1);
    super.connect(hit);
  }
}

/** A host at home with links to many who are behind NATs; one public node is everybody's way to the others. */
function linkedAtHome(): { readonly network: SimNetwork; readonly mover: AskingNode; readonly all: () => boolean } {
  const network = new SimNetwork(1, { latencyMs: 10 });
  const { loop } = network;
  const overlay: SimOverlay = { nodes: new Map(), via: simHit(1) };
  const via = new SimNode(network, network.host(network.internet, '203.0.113.1'), simHit(1), overlay);
  const mover = new AskingNode(
    network,
    network.host(network.home('home', '198.51.100.1').lan, '10.0.0.2'),
    simHit(0xffff),
    overlay,
  );
  mover.dial(via);
  const others = Array.from({ length: LINKS }, (_, i) => {
    const { lan } = network.home(`home-${i}`, `198.51.101.${1 + i}`);
    const node = new SimNode(network, network.host(lan, '10.0.0.2'), simHit(2 + i), overlay);
    loop.after(i * 2, () => node.dial(via));
    loop.after(2_000 + i * 2, () => mover.connect(node.hit));
    return node;
  });
  const all = (): boolean => others.every(({ hit }) => mover.links.isUp(hit));
  loop.runUntil(all, 30_000);
  mover.asked.clear();
  return { network, mover, all };
}

test(`a host without a network for ten seconds asks for each of ${LINKS} links when it is back, few in one instant, and all work again`, (t) => {
  const { network, mover, all } = linkedAtHome();
  const { loop } = network;
  t.true(all());
  const { addresses } = mover.host;
  mover.input(() => mover.links.setHostAddresses([], loop.now));
  loop.run(WITHOUT_NETWORK_MS);
  t.false(all());
  t.is(mover.asked.size, 0);
  mover.input(() => mover.links.setHostAddresses(addresses, loop.now));
  t.true(loop.runUntil(all, 5_000));
  const counts = [...mover.asked.values()];
  t.log(`${counts.reduce((sum, count) => sum + count, 0)} asked for in ${counts.length} instants`);
  t.true(counts.length > 0);
  t.true(Math.max(...counts) <= MOST_AT_ONCE, `${Math.max(...counts)} at once`);
});
