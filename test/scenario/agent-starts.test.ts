import type { ExecutionContext } from 'ava';
import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

/** RTT near 0, as in one house. */
const NEAR = { latencyMs: 0.2, jitterMs: 0, loss: 0 };
/** From the last start on. */
const JOINED_MS = 1_000;
/** Twelve at one place of the ring are let in by turns, as newcomers are. */
const CROWD_JOINED_MS = 2_000;
const NAMES_MS = 30_000;
const DOWN_MS = 30_000;

/** Of the members, with a founder that everyone reaches; the last two: of the founder too. */
type Kind =
  'public' | 'behind NATs' | 'half public' | 'and founder behind NATs, one public' | 'and founder behind NATs';

interface Situation {
  readonly hosts: number;
  readonly kind: Kind;
  readonly seed: number;
}

/** An overlay that has run for a while, and its members' agents: the founder first. */
function overlayOf(t: ExecutionContext, { hosts, kind, seed }: Situation): { world: AgentWorld; agents: SimAgent[] } {
  // Nobody is reached unasked: they meet at the board.
  const board = kind === 'and founder behind NATs';
  const world = new AgentWorld(t, seed, { internet: NEAR, board });
  const members = Array.from({ length: hosts - 1 }, (_, i) =>
    world.member(isPublic(kind, i) ? world.publicHost() : world.hostAtHome(), { board }),
  );
  world.run(1_000);
  world.started(...members);
  t.true(world.allReady([world.founder, ...members], 60_000));
  world.run(10_000);
  if (kind.startsWith('and founder')) {
    // Home, where it stays.
    world.founder.host.move(world.home(), '10.0.0.2');
    world.run(60_000);
    t.true(world.allReady([world.founder, ...members], 60_000));
  }
  return { world, agents: [world.founder, ...members] };
}

function isPublic(kind: Kind, member: number): boolean {
  switch (kind) {
    case 'public':
      return true;
    case 'half public':
      return member % 2 === 0;
    case 'and founder behind NATs, one public':
      return member === 0;
    case 'behind NATs':
    case 'and founder behind NATs':
      return false;
  }
}

function kill(agents: readonly SimAgent[]): void {
  for (const agent of agents) agent.kill();
}

function startAt(world: AgentWorld, starts: readonly { readonly agent: SimAgent; readonly atMs: number }[]): void {
  for (const { agent, atMs } of starts) world.network.loop.after(atMs, () => agent.start());
  world.run(Math.max(...starts.map(({ atMs }) => atMs)));
}

/** Every peer's next one, clockwise, as a single ring has it. */
function isOneRing(world: AgentWorld, agents: readonly SimAgent[]): boolean {
  const peers = agents.filter(({ role }) => role === 'peer');
  const hits = peers.map(({ hit }) => hit).sort();
  return peers.every(({ hit, engine }) => {
    const next = hits[(hits.indexOf(hit) + 1) % hits.length];
    return hits.length === 1 || engine.overlay?.snapshot(world.now).successors[0] === next;
  });
}

/** In the overlay, and not by itself. */
function isAmong(agents: readonly SimAgent[], agent: SimAgent): boolean {
  const isWayIn = (other: SimAgent): boolean => agent.role === 'peer' || other.role === 'peer';
  return agent.joined && agents.some((other) => other !== agent && isWayIn(other) && agent.isLinkedTo(other));
}

/** All in the overlay `limitMs` after the last start, soon in one ring, with the names and addresses of before. */
function findEachOther(
  t: ExecutionContext,
  world: AgentWorld,
  agents: readonly SimAgent[],
  { joinedMs = agents.length > 5 ? CROWD_JOINED_MS : JOINED_MS, namesMs = NAMES_MS } = {},
): void {
  const since = world.now;
  const joined = world.until(() => agents.every((agent) => isAmong(agents, agent)), 60_000);
  const tookMs = world.now - since;
  t.log(`everyone joined ${tookMs.toFixed(0)} ms after the last start`);
  t.true(joined);
  t.true(tookMs <= joinedMs, `${tookMs.toFixed(0)} ms`);
  t.true(
    world.until(() => isOneRing(world, agents), 3_000),
    'one ring',
  );
  t.true(
    world.until(() => agents.every(({ ready }) => ready), 10_000),
    'addresses',
  );
  t.is(new Set(agents.map(({ ipv4 }) => ipv4)).size, agents.length);
  t.true(namesAreThere(world, agents, namesMs), 'names');
}

/** Each is found by the one before it; asked anew every few seconds, since some are still being stored. */
function namesAreThere(world: AgentWorld, agents: readonly SimAgent[], limitMs: number): boolean {
  for (const since = world.now; world.now < since + limitMs;) {
    const lookups = agents.map((agent, at) => agent.lookupName(agents[(at + 1) % agents.length]?.user ?? ''));
    world.run(3_000);
    const wanted = agents.map((_, at) => agents[(at + 1) % agents.length]?.hit);
    if (lookups.every(({ answer }, at) => answer?.ok === true && answer.value[0]?.hit === wanted[at])) return true;
  }
  return false;
}

const SIZES: readonly (readonly [hosts: number, kind: Kind])[] = [
  [2, 'public'],
  [3, 'public'],
  [5, 'public'],
  [12, 'public'],
  [5, 'behind NATs'],
  [5, 'half public'],
  [12, 'half public'],
  [2, 'and founder behind NATs'],
  [5, 'and founder behind NATs'],
  [5, 'and founder behind NATs, one public'],
];

for (const [index, [hosts, kind]] of SIZES.entries()) {
  const title = `all ${hosts} agents are killed (members ${kind})`;
  const seed = 700 + index * 20;

  for (const [i, spreadMs] of [0, 0, 200, 1_000].slice(hosts > 5 ? 1 : 0).entries())
    test.serial(`${title}, and start again within ${spreadMs} ms: everyone joins (seed ${seed + i})`, (t) => {
      const { world, agents } = overlayOf(t, { hosts, kind, seed: seed + i });
      kill(agents);
      world.run(DOWN_MS);
      const { random } = world.network;
      startAt(
        world,
        agents.map((agent) => ({ agent, atMs: random.float() * spreadMs })),
      );
      findEachOther(t, world, agents);
    });

  for (const [i, apartMs] of (hosts > 5 ? [5_000] : [2_000, 5_000, 10_000]).entries())
    for (const founderIs of ['first', 'last'] as const)
      test.serial(
        `${title}, and start again, the founder ${founderIs} by ${apartMs / 1000} s: everyone joins (seed ${seed + 4 + i})`,
        (t) => {
          const { world, agents } = overlayOf(t, { hosts, kind, seed: seed + 4 + i });
          kill(agents);
          world.run(DOWN_MS);
          startAt(
            world,
            agents.map((agent) => ({
              agent,
              atMs: (agent === world.founder) === (founderIs === 'first') ? 0 : apartMs,
            })),
          );
          findEachOther(t, world, agents);
        },
      );
}

for (const [index, kind] of (['and founder behind NATs', 'and founder behind NATs, one public'] as const).entries())
  for (const [i, downS] of [0.5, 5, 40, 600].entries()) {
    const seed = 920 + index * 10 + i;
    test.serial(`the founder alone is killed for ${downS} s (members ${kind}): it is in again (seed ${seed})`, (t) => {
      const { world, agents } = overlayOf(t, { hosts: 5, kind, seed });
      world.founder.kill();
      world.run(downS * 1_000);
      world.founder.start();
      findEachOther(t, world, agents);
    });
  }

for (const [i, afterMs] of [800, 850, 900, 950, 1_000].entries())
  test.serial(
    `a client starts ${afterMs} ms after the founder, which calls it back and gives up meanwhile: it joins (seed ${850 + i})`,
    (t) => {
      const world = new AgentWorld(t, 850 + i, { internet: { latencyMs: 40, jitterMs: 0, loss: 0 } });
      const client = world.member(world.hostAtHome());
      world.run(1_000);
      world.started(client);
      t.true(world.allReady([world.founder, client], 60_000));
      world.run(10_000);
      kill([world.founder, client]);
      world.run(2_000);
      startAt(world, [
        { agent: world.founder, atMs: 0 },
        { agent: client, atMs: afterMs },
      ]);
      const since = world.now;
      t.true(world.until(() => client.joined, 10_000));
      t.log(`joined after ${(world.now - since).toFixed(0)} ms`);
      t.true(world.now - since <= 3_000);
    },
  );

for (const seed of [900, 901])
  test.serial(
    `the founder of twelve never comes back after all were killed: the others join without it (seed ${seed})`,
    (t) => {
      const { world, agents } = overlayOf(t, { hosts: 12, kind: 'public', seed });
      kill(agents);
      world.run(DOWN_MS);
      const others = agents.slice(1);
      startAt(
        world,
        others.map((agent) => ({ agent, atMs: world.network.random.float() * 1_000 })),
      );
      findEachOther(t, world, others);
    },
  );

for (const seed of [910, 911, 912])
  test.serial(
    `half of the agents are killed and start again, the founder among them: everyone joins (seed ${seed})`,
    (t) => {
      const { world, agents } = overlayOf(t, { hosts: 12, kind: 'half public', seed });
      const half = agents.filter((_, i) => i % 4 < 2);
      kill(half);
      world.run(seed === 910 ? 300 : DOWN_MS);
      startAt(
        world,
        half.map((agent) => ({ agent, atMs: world.network.random.float() * 500 })),
      );
      // Names whose three copies were all killed: their owners miss them within three minutes.
      findEachOther(t, world, agents, { namesMs: 200_000 });
    },
  );
