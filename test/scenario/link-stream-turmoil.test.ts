import test from 'ava';
import type { Datagram } from '../sim/network/datagram.ts';
import { SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';

const STEPS = 40;
const STREAMS = [{ address: '203.0.113.1', port: 443 }];

for (let seed = 500; seed < 520; seed++)
  test(`after a minute in which networks drop UDP, let it pass and lose what is sent, and all hosts move or restart, they are linked again (seed ${seed})`, (t) => {
    const world = new ThreeHosts(t, seed, {
      ...{ relay: true, streams: true },
      internet: { latencyMs: 12, jitterMs: 10, loss: 0.03, duplicate: 0.02 },
    });
    const { network, overlay } = world;
    let { peer }: { peer: SimNode } = world;
    const { random, loop } = network;
    t.true(world.join());
    const homes = [world.homeA, world.thirdHome, world.fourthHome];
    let number = 10;
    const pick = <T>(items: readonly T[]): T => items[random.uint32() % items.length] as T;
    const isUdp = ({ transport }: Datagram): boolean => transport !== 'tcp';
    /** As Bootstrap: by UDP, and a little later by a stream. */
    const enter = (node: SimNode): void => {
      node.dial(peer);
      const { hit } = peer;
      loop.after(400, () => {
        const lives = node === world.a || node === world.b;
        if (lives && !node.links.isUp(hit)) node.dialStream(peer);
      });
    };
    const restart = (which: 'a' | 'b'): void => {
      const { host, hit } = world[which];
      world[which].kill();
      world[which] = new SimNode(network, host, hit, overlay, { isPeer: (other) => other === peer.hit });
      enter(world[which]);
    };
    const restartPeer = (): void => {
      peer.kill();
      peer = new SimNode(network, peer.host, peer.hit, overlay, { streams: STREAMS });
      peer.dataPlane.setRelay(1_000_000);
      for (const node of [world.a, world.b]) enter(node);
    };
    for (let step = 0; step < STEPS; step++) {
      const which = pick(['a', 'b'] as const);
      const node = world[which];
      const other = which === 'a' ? world.b : world.a;
      const action = random.uint32() % 9;
      if (action < 2) node.host.move(pick(homes), `10.0.0.${(number = 10 + ((number - 9) % 200))}`);
      else if (action === 2) restart(which);
      else if (action === 3) node.connect(other.hit);
      else if (action === 4) node.sendPacket(other.hit, 'x');
      else if (action === 5) node.input(() => node.links.close(pick([other.hit, peer.hit]), 'turmoil'));
      else if (action === 6) restartPeer();
      else pick(homes).isCut = pick([isUdp, isUdp, () => false, () => true]);
      loop.run(random.float() * 2_500);
    }
    for (const home of homes) home.isCut = pick([isUdp, () => false]);
    loop.run(60_000);
    t.is(world.reunite(peer, enter), undefined);
    loop.run(2_000);
    const mark = `${seed}`;
    network.internet.quality = { latencyMs: 12 };
    for (let i = 0; i < 50; i++) {
      world.a.sendPacket(world.b.hit, mark);
      world.b.sendPacket(world.a.hit, mark);
      loop.run(200);
    }
    for (const node of [world.a, world.b]) {
      const last = node.dataPlane.delivered.at(-1);
      t.is(last?.payload, mark);
      t.true(loop.now - (last?.at ?? 0) < 1_000, `${loop.now - (last?.at ?? 0)} ms`);
      t.true(node.links.snapshot().links.length <= 2);
    }
    t.true(peer.dataPlane.streams.count <= 4, `${peer.dataPlane.streams.count} streams`);
  });
