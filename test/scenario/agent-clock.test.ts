import test, { type ExecutionContext } from 'ava';
import { CLOCK_TOLERANCE_MS } from '../../src/base/overlay-clock.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent, SimAgentOptions } from '../sim/agent/sim-agent.ts';

const SEED = 20270101;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** As AgentWorld's: before any certificate was made. */
const SINCE_1970 = Date.UTC(2026, 0, 1);

/** What each thinks the time is, against the truth; ms. */
function wrong(world: AgentWorld, agent: SimAgent): number {
  return agent.engine.clock.wall() - world.clock.wall();
}

function found(t: ExecutionContext, world: AgentWorld, by: SimAgent, whom: SimAgent): void {
  const lookup = by.lookupName(whom.user);
  t.true(
    world.until(() => lookup.answer !== undefined, 20_000),
    `${by.user} gets an answer about ${whom.user}`,
  );
  const hosts = lookup.answer?.ok === true ? lookup.answer.value : [];
  t.deepEqual(
    hosts.map(({ hit }) => hit),
    [whom.hit],
    `${by.user} finds ${whom.user}`,
  );
}

function allFound(t: ExecutionContext, world: AgentWorld, agents: readonly SimAgent[]): void {
  for (const by of agents) for (const whom of agents) found(t, world, by, whom);
}

/** An overlay of some members with the right time, and a host that starts with another. */
function withMembers(
  t: ExecutionContext,
  count: number,
  options: SimAgentOptions,
): { world: AgentWorld; members: SimAgent[]; host: SimAgent } {
  const world = new AgentWorld(t, SEED);
  const members = Array.from({ length: count }, () => world.member(world.publicHost()));
  world.started(...members);
  t.true(world.allReady([world.founder, ...members]));
  return { world, members: [world.founder, ...members], host: world.member(world.publicHost(), options) };
}

for (const [title, clockOffsetMs] of [
  ['says 1970', -SINCE_1970],
  ['is two days slow', -2 * DAY],
  ['is three hours fast', 3 * HOUR],
  ['is two days fast', 2 * DAY],
  ['is ten years fast', 3_650 * DAY],
] as const)
  for (const count of [0, 3])
    test(`a host whose clock ${title} joins ${count + 1} others, is found by them and finds them`, (t) => {
      const { world, members, host } = withMembers(t, count, { clockOffsetMs });
      world.started(host);
      t.true(world.allReady([host], 10_000), 'it joins and has an address');
      t.true(Math.abs(wrong(world, host)) < 1_000, `wrong by ${wrong(world, host)} ms`);
      for (const member of members) t.true(Math.abs(wrong(world, member)) < 1_000);
      allFound(t, world, [...members, host]);
    });

for (const clockOffsetMs of [-SINCE_1970, -2 * DAY, 3 * HOUR, 2 * DAY])
  test(`a newcomer whose clock is wrong by ${clockOffsetMs / HOUR} hours is let in by its ticket, and found`, (t) => {
    const world = new AgentWorld(t, SEED);
    const joining = world.join(world.publicHost(), world.ticket('new@home.example'), 'new@home.example', {
      clockOffsetMs,
    });
    t.true(
      world.until(() => joining.agent?.ready === true, 20_000),
      String(joining.result?.ok),
    );
    const { agent } = joining;
    if (agent === undefined) return;
    t.true(Math.abs(wrong(world, agent)) < 1_000);
    allFound(t, world, [world.founder, agent]);
  });

test('a host whose clock was wrong is said to be so until its clock is set right, which costs it nothing', (t) => {
  const { world, members, host } = withMembers(t, 2, { clockOffsetMs: 3 * HOUR });
  world.started(host);
  t.true(world.allReady([host]));
  t.is(host.engine.clock.source, 'overlay');
  t.is(Math.round(host.engine.clock.offsetMs / 1_000), (-3 * HOUR) / 1_000);
  const { ipv4 } = host;
  host.clockOffsetMs = 0;
  world.run(HOUR);
  t.is(Math.round(host.engine.clock.offsetMs / 1_000), 0);
  t.is(host.ipv4, ipv4);
  allFound(t, world, [...members, host]);
});

for (const step of [-DAY, DAY])
  test(`a clock that is set by ${step / DAY} day while the agent runs costs it nothing, nor anyone else`, (t) => {
    const { world, members, host } = withMembers(t, 2, {});
    world.started(host);
    const all = [...members, host];
    t.true(world.allReady(all));
    const addresses = all.map(({ ipv4 }) => ipv4);
    for (const agent of [host, world.founder]) agent.clockOffsetMs = step;
    // Everybody stores its records anew every twelve hours.
    world.run(25 * HOUR);
    for (const agent of all) t.true(Math.abs(wrong(world, agent)) < 5_000);
    t.deepEqual(
      all.map(({ ipv4 }) => ipv4),
      addresses,
    );
    allFound(t, world, all);
    const late = world.member(world.publicHost());
    world.started(late);
    t.true(world.allReady([late]));
    allFound(t, world, [...all, late]);
  });

for (const clockOffsetMs of [-2 * DAY, 2 * DAY, 3 * HOUR])
  test(`a founder whose clock is wrong by ${clockOffsetMs / HOUR} hours and a member whose clock is right agree`, (t) => {
    const world = new AgentWorld(t, SEED, { clockOffsetMs });
    const member = world.member(world.publicHost());
    world.started(member);
    t.true(world.allReady([world.founder, member], 10_000));
    t.true(Math.abs(wrong(world, member) - wrong(world, world.founder)) < 1_000);
    allFound(t, world, [world.founder, member]);
    const second = world.member(world.publicHost());
    world.started(second);
    t.true(world.allReady([second], 10_000));
    allFound(t, world, [world.founder, member, second]);
  });

for (const [title, clockOffsetMs] of [
  ['said 1970', -SINCE_1970],
  ['was 25 years slow', -25 * 365 * DAY],
  ['was two years slow', -2 * 365 * DAY],
  ['was two days fast', 2 * DAY],
] as const)
  test(`an overlay whose founder's clock ${title} when it was made goes on when the clock is set right`, (t) => {
    const world = new AgentWorld(t, SEED, { clockOffsetMs });
    const { founder } = world;
    t.true(world.allReady([founder]));
    founder.clockOffsetMs = 0;
    world.run(120_000);
    t.true(founder.engine.membership.expires > world.clock.wall());
    const members = [world.member(world.publicHost()), world.member(world.hostAtHome())];
    world.started(...members);
    t.true(world.allReady([founder, ...members]));
    allFound(t, world, [founder, ...members]);
    for (const agent of [founder, ...members]) agent.kill();
    founder.start();
    for (const member of members) member.start();
    t.true(world.allReady([founder, ...members]));
    allFound(t, world, [founder, ...members]);
  });

test('hosts that are all started again with clocks of 1970 agree and find each other', (t) => {
  const { world, members, host } = withMembers(t, 1, {});
  world.started(host);
  const all = [...members, host];
  t.true(world.allReady(all));
  for (const agent of all) agent.kill();
  world.run(60_000);
  for (const [i, agent] of all.entries()) {
    agent.clockOffsetMs = -SINCE_1970 + i * HOUR;
    agent.start();
    t.true(world.allReady([agent], 60_000));
  }
  const times = all.map((agent) => agent.engine.clock.wall());
  t.true(Math.max(...times) - Math.min(...times) <= CLOCK_TOLERANCE_MS, String(times));
  allFound(t, world, all);
});
