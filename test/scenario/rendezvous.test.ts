import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import { HOME_NAT } from '../sim/network/nat.ts';

// Nobody has a public address here: all meet at a board, and punch through their NATs.

for (const seed of [701, 702, 703])
  test(`two homes behind NATs and no server: a newcomer by ticket becomes a member (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed, { founderNat: HOME_NAT, board: true });
    world.run(1_000 + seed);
    const begun = world.now;
    const joining = world.join(world.hostAtHome(), world.ticket(null, []), 'alice@home.example', { board: true });
    t.true(world.until(() => joining.agent?.ready === true, 10_000));
    t.log(`a member after ${(world.now - begun).toFixed(0)} ms`);
    const { agent } = joining;
    t.is(agent?.role, 'client');
    world.run(2_000);
    if (agent === undefined) return;
    agent.send(world.founder.address, 'hello');
    world.founder.send(agent.address, 'and back');
    world.run(1_000);
    t.deepEqual(world.founder.received(agent), ['hello']);
    t.deepEqual(agent.received(world.founder), ['and back']);
  });

for (const seed of [710, 711, 712, 714, 718])
  test(`a ticket of an hour ago still lets its newcomer in, though the inviter looks less often (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed, { founderNat: HOME_NAT, board: true });
    const ticket = world.ticket(null, []);
    world.run(3_500_000);
    const joining = world.join(world.hostAtHome(), ticket, 'alice@home.example', { board: true });
    t.true(world.until(() => joining.agent?.ready === true, 10_000));
  });

for (const seed of [721, 722, 723])
  test(`the only peer of an overlay moves behind another NAT: its client finds it there (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed, { founderNat: HOME_NAT, board: true });
    const joining = world.join(world.hostAtHome(), world.ticket(null, []), 'alice@home.example', { board: true });
    t.true(world.until(() => joining.agent?.ready === true, 10_000));
    world.run(seed * 1_000);
    const { agent } = joining;
    if (agent === undefined) return;
    const begun = world.now;
    // Both ends have an address that the other does not know.
    world.founder.host.move(world.home(), '10.0.0.7');
    agent.host.move(world.home(), '10.0.0.8');
    let heard = 0;
    t.true(
      world.until(() => {
        if (world.now > begun + heard * 500) {
          heard += 1;
          agent.send(world.founder.address, 'are you there');
        }
        return world.founder.received(agent).length > 0;
      }, 10_000),
    );
    t.log(`heard of after ${(world.now - begun).toFixed(0)} ms`);
  });

for (const seed of [731, 732, 733])
  test(`all hosts of an overlay of homes are switched off, and on at other addresses (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed, { founderNat: HOME_NAT, board: true });
    const ticket = world.ticket(null, []);
    const other = world.ticket(null, []);
    const first = world.join(world.hostAtHome(), ticket, 'alice@home.example', { board: true });
    const second = world.join(world.hostAtHome(), other, 'bob@home.example', { board: true });
    t.true(world.until(() => first.agent?.ready === true && second.agent?.ready === true, 10_000));
    world.run(5_000);
    const { founder } = world;
    const [alice, bob] = [first.agent, second.agent];
    if (alice === undefined || bob === undefined) return;
    const all = [founder, alice, bob];
    for (const agent of all) agent.kill();
    world.run(3_600_000);
    world.board.forget();
    for (const agent of all) agent.host.move(world.home(), '10.0.0.9');
    const begun = world.now;
    for (const agent of all) agent.start();
    t.true(world.until(() => all.every((agent) => agent.ready) && alice.isLinkedTo(founder), 10_000));
    t.true(world.until(() => bob.isLinkedTo(founder), 10_000));
    t.log(`all back after ${(world.now - begun).toFixed(0)} ms`);
  });

test('addresses that nobody answers at, left by a stranger, keep nobody out and cost little', (t) => {
  const world = new AgentWorld(t, 740, { founderNat: HOME_NAT, board: true });
  const ticket = world.ticket(null, []);
  world.run(10_000);
  for (let i = 1; i < 40; i++) world.board.spoil({ address: `203.0.113.${i}`, port: 6084 });
  const begun = world.now;
  const joining = world.join(world.hostAtHome(), ticket, 'alice@home.example', { board: true });
  t.true(world.until(() => joining.agent?.ready === true, 60_000));
  t.log(`a member after ${(world.now - begun).toFixed(0)} ms`);
});

test('an overlay whose hosts are all linked goes to the board seldom', (t) => {
  const world = new AgentWorld(t, 741, { board: true });
  const joining = world.join(world.hostAtHome(), world.ticket(null), 'alice@home.example', { board: true });
  t.true(world.until(() => joining.agent?.ready === true, 10_000));
  world.run(5_000);
  const before = world.board.visits;
  world.run(3_600_000);
  // Each ten minutes, under the keys of both days: it is near midnight.
  t.true(world.board.visits - before <= 14, `${world.board.visits - before} visits in an hour`);
});

test('without a board the newcomer learns within half a minute that nobody was there', (t) => {
  const world = new AgentWorld(t, 711, { founderNat: HOME_NAT });
  world.run(1_000);
  const joining = world.join(world.hostAtHome(), world.ticket(null, []), 'alice@home.example');
  world.run(31_000);
  t.false(joining.result?.ok);
});
