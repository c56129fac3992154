import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';

/** RTT near 0, as in one house. */
const NEAR = { latencyMs: 0.2, jitterMs: 0, loss: 0 };
const CROWD = 12;
const SECOND_MS = 1_000;
const JOINED_MS = 2_000;

for (const [place, seed] of [
  ['public', 950],
  ['public', 951],
  ['behind NATs', 952],
  ['behind NATs', 953],
] as const)
  test.serial(
    `${CROWD} newcomers (${place}) in the same second are all in two seconds after the last one (seed ${seed})`,
    (t) => {
      const world = new AgentWorld(t, seed, { internet: NEAR });
      world.run(1_000);
      world.started();
      t.true(world.allReady([world.founder]));
      const { loop, random } = world.network;
      const hosts = Array.from({ length: CROWD }, () => (place === 'public' ? world.publicHost() : world.hostAtHome()));
      const begun = world.now;
      const joinings: ReturnType<AgentWorld['join']>[] = [];
      const times: number[] = [];
      for (const [i, host] of hosts.entries()) {
        const at = random.float() * SECOND_MS;
        const ticket = world.ticket(null);
        loop.after(at, () => joinings.push(world.join(host, ticket, `new${i}@home.example`)));
        times.push(at);
      }
      world.run(SECOND_MS);
      t.true(
        world.until(() => joinings.length === CROWD && joinings.every(({ agent }) => agent?.joined === true), 30_000),
      );
      const tookMs = world.now - begun - Math.max(...times);
      t.log(`everyone joined ${tookMs.toFixed(0)} ms after the last start`);
      t.true(
        world.until(() => joinings.every(({ agent }) => agent?.ready === true), 5_000),
        'addresses',
      );
      t.log(`ready ${(world.now - begun - Math.max(...times)).toFixed(0)} ms after the last start`);
      t.true(tookMs <= JOINED_MS, `${tookMs.toFixed(0)} ms`);
      t.is(new Set(joinings.map(({ agent }) => agent?.ipv4)).size, CROWD);
    },
  );
