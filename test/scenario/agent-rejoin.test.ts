import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

/** One retransmission of a request that went to the dead, and the patience with its link. */
const REJOINED_MS = 4_000;

function ring(world: AgentWorld, count: number): SimAgent[] {
  const members = Array.from({ length: count - 1 }, () => world.member(world.publicHost()));
  const all = [world.founder, ...members];
  for (const member of members) world.started(member);
  world.until(() => all.every(({ ready }) => ready), 30_000);
  // Long enough for links to rest, and for copies to be made.
  world.run(60_000);
  return all.sort((a, b) => (a.hit < b.hit ? -1 : 1));
}

for (const [seed, before] of [
  [840, -1],
  [841, 1],
  [842, 2],
] as const)
  test(`a peer restarts just after a neighbour has died, which nobody knows yet: it is in the ring within ${REJOINED_MS} ms (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const all = ring(world, 12);
    const took: number[] = [];
    for (const at of [3, 7]) {
      const peer = all[at] as SimAgent;
      const neighbor = all[at + before] as SimAgent;
      neighbor.kill();
      peer.kill();
      world.run(500);
      const startedAt = world.now;
      peer.start();
      t.true(world.until(() => peer.joined, 60_000));
      took.push(world.now - startedAt);
      neighbor.start();
      t.true(world.until(() => neighbor.ready, 60_000));
      world.run(30_000);
    }
    t.true(Math.max(...took) <= REJOINED_MS, took.join());
  });

for (const seed of [843, 861, 863, 864])
  test(`the peer that lets a newcomer in dies while it does: the newcomer is in within seconds, by another (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const all = ring(world, 12);
    const peer = all[5] as SimAgent;
    const admitting = all[6] as SimAgent;
    peer.kill();
    world.run(500);
    const startedAt = world.now;
    peer.start();
    t.true(world.until(() => peer.isLinkedTo(admitting), 10_000));
    admitting.kill();
    t.true(world.until(() => peer.joined, 60_000));
    t.true(world.now - startedAt <= 12_000, String(world.now - startedAt));
  });

test('a name is asked for through a peer that is on its way back into the ring: it is found', (t) => {
  const world = new AgentWorld(t, 844);
  const all = ring(world, 12);
  const wrong: string[] = [];
  let asked = 0;
  for (const returning of all.slice(2, 8)) {
    returning.kill();
    world.run(1_000);
    returning.start();
    for (let i = 0; i < 10; i++) {
      const by = all[(asked * 5 + 1) % all.length] as SimAgent;
      const whom = all[(asked * 7) % all.length] as SimAgent;
      asked += 1;
      world.run(50);
      if (by === returning) continue;
      const lookup = by.lookupName(whom.user);
      world.network.loop.after(12_000, () => {
        const { answer } = lookup;
        if (answer?.ok !== true) wrong.push(answer === undefined ? 'nothing' : answer.error.message);
      });
    }
    t.true(world.until(() => returning.ready, 60_000));
    world.run(15_000);
  }
  t.deepEqual(wrong, []);
});
