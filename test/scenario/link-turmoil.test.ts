import test from 'ava';
import { SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';

const STEPS = 40;

for (let seed = 100; seed < 120; seed++)
  test(`after a minute of moves, losses, kills and calls the hosts are linked again (seed ${seed})`, (t) => {
    const world = new ThreeHosts(t, seed, { internet: { latencyMs: 12, jitterMs: 10, loss: 0.03, duplicate: 0.02 } });
    const { network, overlay, peer } = world;
    const { random, loop } = network;
    t.true(world.join());
    const homes = [world.thirdHome, world.fourthHome];
    let number = 10;
    const pick = <T>(items: readonly T[]): T => items[random.uint32() % items.length] as T;
    const restart = (which: 'a' | 'b'): void => {
      const { host, hit } = world[which];
      world[which].kill();
      world[which] = new SimNode(network, host, hit, overlay);
      world[which].dial(peer);
    };
    for (let step = 0; step < STEPS; step++) {
      const which = pick(['a', 'b'] as const);
      const node = world[which];
      const other = which === 'a' ? world.b : world.a;
      const action = random.uint32() % 6;
      if (action < 2) node.host.move(pick(homes), `10.0.0.${(number = 10 + ((number - 9) % 200))}`);
      else if (action === 2) restart(which);
      else if (action === 3) node.connect(other.hit);
      else if (action === 4) node.sendPacket(other.hit, 'x');
      else node.input(() => node.links.close(pick([other.hit, peer.hit]), 'turmoil'));
      loop.run(random.float() * 2_500);
    }
    loop.run(60_000);
    t.is(
      world.reunite(peer, (node) => node.dial(peer)),
      undefined,
    );
    loop.run(2_000);
    const mark = `${seed}`;
    world.a.sendPacket(world.b.hit, mark);
    world.b.sendPacket(world.a.hit, mark);
    world.network.internet.quality = { latencyMs: 12 };
    world.a.sendPacket(world.b.hit, mark);
    world.b.sendPacket(world.a.hit, mark);
    loop.run(500);
    for (const node of [world.a, world.b]) {
      t.is(node.dataPlane.delivered.at(-1)?.payload, mark);
      t.true(node.links.snapshot().links.length <= 2);
    }
  });
