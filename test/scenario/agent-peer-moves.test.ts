import test from 'ava';
import { HOME_NAT } from '../sim/network/nat.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

const OPEN_NAT = { ...HOME_NAT, filtering: 'endpoint-independent' } as const;

function moveFounder(world: AgentWorld): void {
  world.founder.host.move(world.network.internet, '203.0.113.200');
}

/** @returns whether a packet of `a` gets to `b`, sent each half second. */
function heard(world: AgentWorld, a: SimAgent, b: SimAgent, limitMs: number): boolean {
  const begun = world.now;
  let sent = 0;
  return world.until(() => {
    if (world.now >= begun + sent * 500) {
      a.send(b.address, `from ${a.user} at ${begun.toFixed(0)}`);
      sent += 1;
    }
    return b.received(a).includes(`from ${a.user} at ${begun.toFixed(0)}`);
  }, limitMs);
}

for (const seed of [920, 921, 922])
  test(`the only peer moves: a client that its NAT keeps from hearing of it finds it through one that has heard (seed ${seed})`, (t) => {
    const world = new TwoClients(t, seed, { natA: OPEN_NAT });
    const { a, b, founder } = world;
    t.true(world.call());
    moveFounder(world);
    const moved = world.now;
    world.run(1_000);
    t.true(world.until(() => b.isLinkedTo(founder) && founder.isLinkedTo(b), 60_000));
    t.log(`found after ${(world.now - moved).toFixed(0)} ms`);
    t.true(heard(world, b, founder, 5_000));
    const name = b.lookupName(a.user);
    t.true(world.until(() => name.answer?.ok === true, 5_000));
  });

for (const [seed, awayMs] of [
  [923, 10_000],
  [924, 3_600_000],
  [925, 86_400_000],
] as const)
  test(`the only peer moves while a member is off for ${awayMs / 1000} s: it is in contact again through one that was on, without a new ticket`, (t) => {
    const world = new TwoClients(t, seed, { natA: OPEN_NAT });
    const { a, b, founder } = world;
    t.true(world.call());
    b.kill();
    world.run(awayMs / 2);
    moveFounder(world);
    world.run(awayMs / 2);
    t.true(founder.isLinkedTo(a));
    b.start();
    const back = world.now;
    t.true(world.until(() => b.ready && b.isLinkedTo(founder), 30_000));
    t.log(`back after ${(world.now - back).toFixed(0)} ms`);
    t.true(heard(world, b, founder, 5_000));
    t.true(heard(world, a, b, 5_000));
    // It writes down where the peer is now.
    world.run(2_000);
    a.kill();
    b.kill();
    world.run(60_000);
    b.start();
    t.true(world.until(() => b.ready, 10_000));
  });
