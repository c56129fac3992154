import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

/** What a program waits for a name. */
const ANSWER_MS = 15_000;

for (const [seed, count] of [
  [620, 8],
  [621, 8],
  [622, 12],
] as const)
  test(`a peer dies without a word: every lookup from then on is answered (${count} peers, seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const members = Array.from({ length: count - 1 }, () => world.member(world.publicHost()));
    const all = [world.founder, ...members];
    for (const member of members) {
      world.started(member);
      t.true(world.allReady([member]));
    }
    // Long enough for links to rest, and for copies to be made.
    world.run(60_000);
    const dead = mostResponsible(all);
    const living = all.filter((agent) => agent !== dead);
    dead.kill();
    const wrong: string[] = [];
    for (let second = 0; second < 40; second++) {
      const by = living[second % living.length] as SimAgent;
      const whom = all[(second * 5) % all.length] as SimAgent;
      const lookup = by.lookupName(whom.user);
      const asked = world.now;
      world.network.loop.after(ANSWER_MS, () => {
        const { answer } = lookup;
        if (answer?.ok !== true || answer.value[0]?.hit !== whom.hit)
          wrong.push(
            `${(asked / 1000).toFixed(0)} s: ${answer === undefined || answer.ok ? 'nothing' : answer.error.message}`,
          );
      });
      world.run(1_000);
    }
    world.run(ANSWER_MS + 1);
    t.deepEqual(wrong, []);
  });

/** The one that most lookups go to. */
function mostResponsible(agents: readonly SimAgent[]): SimAgent {
  const share = (agent: SimAgent): number => agent.engine.overlay?.snapshot(0).responsibleFraction ?? 0;
  return agents.reduce((most, agent) => (share(agent) > share(most) ? agent : most));
}

test('a peer that was silent for ten seconds has its place in the ring again', (t) => {
  const world = new AgentWorld(t, 623);
  const members = Array.from({ length: 5 }, () => world.member(world.publicHost()));
  const all = [world.founder, ...members];
  for (const member of members) {
    world.started(member);
    t.true(world.allReady([member]));
  }
  world.run(60_000);
  const places = (): string[] =>
    all.map((agent) => String(agent.engine.overlay?.snapshot(world.now).successors.join()));
  const before = places();
  const quiet = mostResponsible(members);
  const [address = ''] = quiet.host.addresses;
  world.network.internet.isCut = ({ destination }) => destination.address === address;
  for (const agent of all) if (agent !== quiet) for (const whom of all) agent.lookupName(whom.user);
  world.run(10_000);
  world.network.internet.isCut = () => false;
  world.run(120_000);
  t.deepEqual(places(), before);
});
