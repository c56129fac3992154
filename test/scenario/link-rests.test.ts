import test from 'ava';
import type { ExecutionContext } from 'ava';
import { HOME_NAT } from '../sim/network/nat.ts';
import { SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';
import type { ThreeHostsOptions } from '../sim/network/three-hosts.ts';

const HOUR_MS = 3_600_000;
/** The link carries nothing any more, and all that follows its making is over. */
const STEP_MS = 200;
const QUIET_MS = 60_000;
/** RFC 7675 s5.1: nothing is sent for longer to whom nothing is heard of. */
const CONSENT_MS = 30_000;
/** Twenty seconds and the three that are left for an answer. */
const NOTICED_MS = 24_000;

function resting(t: ExecutionContext, seed: number, options: ThreeHostsOptions = {}): ThreeHosts {
  const world = new ThreeHosts(t, seed, options);
  t.true(world.join());
  t.true(world.call());
  world.network.loop.run(QUIET_MS);
  return world;
}

/** What passes between the two homes on the Internet while `ms` go by: STUN and records, in both directions. */
function traffic(world: ThreeHosts, ms: number): { stun: number; records: number } {
  const count = { stun: 0, records: 0 };
  // The network remembers the last lines only.
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    world.network.flow.length = 0;
    world.network.loop.run(Math.min(STEP_MS, ms - passed));
    for (const line of world.network.flow) {
      if (!/ internet sent 198\.51\.100\.[12]:\d+ -> 198\.51\.100\.[12]:/.test(line)) continue;
      if (line.includes(' stun ')) count.stun += 1;
      else count.records += 1;
    }
  }
  return count;
}

test('a link that carries nothing costs a record and its answer every sixteen seconds or more, and no checks', (t) => {
  const world = resting(t, 701);
  const { stun, records } = traffic(world, 160_000);
  t.is(stun, 0);
  t.true(records >= 2 * 7 && records <= 2 * 10, `${records} records`);
});

test('links live for hours behind NATs that forget a mapping after thirty seconds', (t) => {
  const nat = { ...HOME_NAT, mappingTimeoutMs: 30_000 };
  const world = resting(t, 702, { natA: nat, natB: nat });
  const before = [world.linkId(world.a, world.b), world.linkId(world.b, world.a)];
  world.network.loop.run(6 * HOUR_MS);
  world.b.sendPacket(world.a.hit, 'good morning');
  world.network.loop.run(50);
  t.deepEqual(
    world.a.dataPlane.delivered.map(({ payload }) => payload),
    ['good morning'],
  );
  t.deepEqual([world.linkId(world.a, world.b), world.linkId(world.b, world.a)], before);
});

test('a packet on a resting link leaves at once, and consent is renewed at both ends within two round trips', (t) => {
  const world = resting(t, 703);
  world.a.sendPacket(world.b.hit, 'hello');
  const { stun } = traffic(world, 50);
  t.is(world.b.dataPlane.delivered.at(-1)?.payload, 'hello');
  t.is(stun, 4);
});

test('while packets pass consent is kept as ever: a check each way every five seconds', (t) => {
  const world = resting(t, 704);
  world.stream(world.a, world.b, 120_000);
  world.network.loop.run(1_000);
  const { stun } = traffic(world, 100_000);
  // A check and its answer, by each end, every 4 to 6 seconds; one more when a rest of some milliseconds ends.
  t.true(stun >= (4 * 100) / 6 && stun <= (4 * 100) / 4 + 4 * 4, `${stun} STUN messages`);
});

for (const seed of [705, 706, 707])
  test(`the host of a resting link moves: it is found before a packet needs it (seed ${seed})`, (t) => {
    const world = resting(t, seed);
    const before = world.linkId(world.b, world.a);
    world.a.host.move(world.thirdHome, '10.0.0.9');
    world.network.loop.run(1);
    t.false(world.linked);
    world.network.loop.run(1_000);
    t.true(world.linked);
    t.is(world.linkId(world.b, world.a), before);
    world.b.sendPacket(world.a.hit, 'still there?');
    world.network.loop.run(50);
    t.is(world.a.dataPlane.delivered.at(-1)?.payload, 'still there?');
  });

for (const seed of [708, 709, 710])
  test(`the NAT in front of a resting link starts anew on other ports: the path is mended in time (seed ${seed})`, (t) => {
    const world = resting(t, seed, { natA: { ...HOME_NAT, portPreservation: false } });
    const before = world.linkId(world.b, world.a);
    world.natA.reboot();
    world.network.loop.run(NOTICED_MS + CONSENT_MS);
    t.true(world.linked);
    t.is(world.linkId(world.b, world.a), before);
    world.b.sendPacket(world.a.hit, 'still there?');
    world.network.loop.run(50);
    t.is(world.a.dataPlane.delivered.at(-1)?.payload, 'still there?');
  });

test('a resting peer that vanishes without a word is not counted as linked when its consent is over', (t) => {
  const world = resting(t, 711);
  world.b.kill();
  t.true(traffic(world, NOTICED_MS).stun > 0);
  world.network.loop.run(CONSENT_MS - NOTICED_MS);
  t.false(world.a.links.isUp(world.b.hit));
});

test('two resting ends that lose each other in a network that drops a third of everything find back', (t) => {
  const world = resting(t, 712);
  world.network.internet.quality = { latencyMs: 15, jitterMs: 20, loss: 0.3 };
  world.network.loop.run(600_000);
  world.network.internet.quality = { latencyMs: 10 };
  t.true(world.until(() => world.linked, 60_000));
});

for (const sleepers of [['a'], ['a', 'b']] as const)
  for (const seed of [713, 714, 715])
    test(`of a link that sleeps at ${sleepers.join(' and ')} nothing passes for hours; NATs have forgotten it, and a packet arrives within a second (seed ${seed})`, (t) => {
      const nat = { ...HOME_NAT, mappingTimeoutMs: 30_000 };
      const world = resting(t, seed, { natA: nat, natB: nat, sleepers });
      const before = [world.linkId(world.a, world.b), world.linkId(world.b, world.a)];
      t.deepEqual(traffic(world, 600_000), { stun: 0, records: 0 });
      world.network.loop.run(6 * HOUR_MS);
      t.true(world.linked);
      world.stream(world.b, world.a, 2_000);
      world.network.loop.run(1_000);
      t.true(world.a.dataPlane.delivered.length > 0);
      world.network.loop.run(2_000);
      t.deepEqual([world.linkId(world.a, world.b), world.linkId(world.b, world.a)], before);
      t.is(world.handshakes(world.a, world.b), 1);
      // And back to sleep.
      world.network.loop.run(QUIET_MS);
      t.deepEqual(traffic(world, 60_000), { stun: 0, records: 0 });
    });

test('a sleeper is restarted while the other one sleeps: a packet finds it by another association', (t) => {
  const world = resting(t, 716, { sleepers: ['a', 'b'] });
  world.network.loop.run(HOUR_MS);
  const before = world.linkId(world.b, world.a);
  world.a.kill();
  world.network.loop.run(1_000);
  world.a = new SimNode(world.network, world.a.host, world.a.hit, world.overlay);
  world.a.dial(world.peer);
  t.true(world.until(() => world.a.links.isUp(world.peer.hit), 5_000));
  world.stream(world.b, world.a, 10_000);
  t.true(world.until(() => world.a.dataPlane.delivered.length > 0, 10_000));
  t.not(world.linkId(world.b, world.a), before);
});
