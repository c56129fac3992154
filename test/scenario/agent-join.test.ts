import test from 'ava';
import { SimHost } from '../sim/network/host.ts';
import { SYMMETRIC_NAT } from '../sim/network/nat.ts';
import type { RegisterStore } from '../../src/identity/enrollment-register.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

test('a newcomer behind a NAT enrolls by ticket and becomes a client with a name and an IPv4 address', (t) => {
  const world = new AgentWorld(t, 101);
  world.run(1_000);
  const joining = world.join(world.hostAtHome(), world.ticket(null), 'alice@home.example');
  t.true(world.until(() => joining.agent?.ready === true, 10_000));
  const { agent } = joining;
  t.log(`ready after ${(world.now - 1_000).toFixed(0)} ms`);
  t.is(agent?.role, 'client');
  t.is(agent?.user, 'alice@home.example');
  world.run(5_000);
  const told = world.founder.lookupName('alice@home.example');
  const asked = agent?.lookupName('founder@home.example');
  world.run(1_000);
  t.is(asked?.answer?.ok === true ? asked.answer.value[0]?.hit : undefined, world.founder.hit);
  t.is(told.answer?.ok === true ? told.answer.value[0]?.ipv4 : undefined, agent?.ipv4);
});

test('a newcomer with a public address is ready as a client, and becomes a peer in a few seconds', (t) => {
  const world = new AgentWorld(t, 102);
  world.run(1_000);
  const joining = world.join(world.publicHost(), world.ticket('bob@home.example'), null);
  t.true(world.until(() => joining.agent?.ready === true, 10_000));
  t.is(joining.agent?.role, 'client');
  t.true(world.until(() => joining.agent?.role === 'peer', 5_000));
  t.is(joining.agent?.user, 'bob@home.example');
  t.deepEqual(joining.agent?.engine.overlay?.snapshot(world.now).successors, [world.founder.hit]);
});

test('a ticket that lists dead addresses first still lets its newcomer in', (t) => {
  const world = new AgentWorld(t, 103);
  world.run(1_000);
  const dead = ['192.168.7.7', '203.0.113.99'].map((address) => ({ address, port: 6084 }));
  const joining = world.join(world.hostAtHome(), world.ticket(null, [...dead, world.founderLocator]), 'a@home.example');
  t.true(world.until(() => joining.agent?.ready === true, 10_000));
});

for (const seed of [120, 121, 122])
  test(`a member that starts without a network is in the overlay, and is called, three seconds after it has one (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const host = new SimHost();
    const early = world.member(host);
    const caller = world.member(world.hostAtHome());
    world.run(1_000);
    world.started(early, caller);
    t.true(world.allReady([caller]));
    world.run(60_000);
    t.false(early.joined);
    host.plug(world.home(), '10.0.0.2');
    t.true(world.until(() => early.ready, 3_000));
    caller.send(early.address, 'there');
    t.true(world.until(() => early.received(caller).includes('there'), 3_000));
  });

test('a ticket is used twice: the second newcomer is told why it is refused', (t) => {
  const world = new AgentWorld(t, 104);
  world.run(1_000);
  const ticket = world.ticket(null);
  const first = world.join(world.hostAtHome(), ticket, 'a@home.example');
  t.true(world.until(() => first.agent?.ready === true, 10_000));
  const second = world.join(world.hostAtHome(), ticket, 'b@home.example');
  t.true(world.until(() => second.result !== undefined, 10_000));
  t.false(second.result?.ok);
  t.is(second.agent, undefined);
});

test('a name that is taken is refused to another key', (t) => {
  const world = new AgentWorld(t, 105);
  world.run(1_000);
  const joining = world.join(world.hostAtHome(), world.ticket(null), 'founder@home.example');
  t.true(world.until(() => joining.result !== undefined, 10_000));
  t.false(joining.result?.ok);
});

test('the inviter does not run: the newcomer gives up after half a minute with the reason', (t) => {
  const world = new AgentWorld(t, 106);
  world.run(1_000);
  const ticket = world.ticket(null);
  world.founder.kill();
  const joining = world.join(world.hostAtHome(), ticket, 'a@home.example');
  world.run(31_000);
  t.false(joining.result?.ok);
  t.regex(joining.result?.ok === false ? joining.result.error.message : '', /203\.0\.113\.1:6084/);
});

test('a network that loses a tenth does not keep a newcomer out', (t) => {
  const world = new AgentWorld(t, 107, { internet: { latencyMs: 15, jitterMs: 10, loss: 0.1 } });
  world.run(1_000);
  const joining = world.join(world.hostAtHome(SYMMETRIC_NAT), world.ticket(null), 'a@home.example');
  t.true(world.until(() => joining.agent?.ready === true, 30_000));
  t.log(`ready after ${(world.now - 1_000).toFixed(0)} ms`);
});

for (const seed of [108, 109])
  test(`twenty agents join at once, five of them with public addresses (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    world.run(1_000);
    const joining = Array.from({ length: 20 }, (_, i) =>
      world.join(i < 5 ? world.publicHost() : world.hostAtHome(), world.ticket(null), `m${i}@home.example`),
    );
    t.true(world.until(() => joining.every(({ agent }) => agent?.ready === true), 30_000));
    t.log(`all ready after ${(world.now - 1_000).toFixed(0)} ms`);
    const agents = joining.flatMap(({ agent }) => agent ?? []);
    const peers = (): SimAgent[] => agents.filter(({ role }) => role === 'peer');
    t.true(world.until(() => peers().length === 5, 30_000));
    t.deepEqual(new Set(peers()), new Set(agents.slice(0, 5)));
    t.is(new Set([...agents, world.founder].map(({ ipv4 }) => ipv4)).size, 21);
    world.run(10_000);
    const lookups = agents.map((agent, i) => agent.lookupName(agents[(i + 7) % 20]?.user ?? ''));
    world.run(3_000);
    t.deepEqual(
      lookups.map(({ answer }) => (answer?.ok === true ? answer.value[0]?.hit : answer)),
      agents.map((_, i) => agents[(i + 7) % 20]?.hit),
    );
  });

test('a newcomer whose inviter has no room on its disk waits, enrolling, and is let in when there is', (t) => {
  const world = new AgentWorld(t, 106);
  world.run(1_000);
  const ticket = world.ticket(null);
  const { founder } = world.founder.membership;
  const noSpace = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  let refusals = 0;
  let full = true;
  const store: RegisterStore = {
    append: () => {
      if (!full) return;
      refusals += 1;
      throw noSpace;
    },
    write: () => {},
    writeSoon: (_, done) => done(),
  };
  Object.assign(founder?.register ?? {}, { store });
  const joining = world.join(world.hostAtHome(), ticket, 'a@home.example');
  t.is(joining.lifecycle.state, 'invited');
  world.run(12_000);
  t.is(joining.result, undefined);
  t.is(joining.lifecycle.state, 'enrolling');
  t.true(refusals >= 2);
  t.is(world.founder.engine.overlay?.state, 'joined');
  full = false;
  t.true(world.until(() => joining.agent?.ready === true, 10_000));
});
