import test from 'ava';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

/** Everyone found back, with the addresses and names of before. */
function nameOf(world: AgentWorld, asker: SimAgent, host: SimAgent): readonly (string | undefined)[] {
  const told = asker.lookupName(host.user);
  world.until(() => told.answer !== undefined, 5_000);
  const found = told.answer?.ok === true ? told.answer.value[0] : undefined;
  return [found?.hit, found?.ipv4];
}

for (const downMs of [300, 3_000, 40_000])
  test(`a client is killed for ${downMs / 1000} s and comes back: same address, and its first packet makes the link again`, (t) => {
    const world = new TwoClients(t, 300 + downMs / 100);
    const { a, b } = world;
    t.true(world.call());
    const before = a.ipv4;
    a.kill();
    world.run(downMs);
    a.start();
    const back = world.now;
    t.true(world.until(() => a.ready, 10_000));
    t.log(`ready after ${(world.now - back).toFixed(0)} ms`);
    t.is(a.ipv4, before);
    const count = b.received(a).length;
    a.send(b.ipv4 ?? '', 'v4');
    a.send(b.address, 'v6');
    t.true(world.until(() => b.received(a).length === count + 2, 5_000));
    b.send(a.ipv4 ?? '', 'answer');
    world.run(200);
    t.deepEqual(a.received(b), ['answer']);
  });

for (const seed of [310, 311])
  test(`a killed client is back, and the other end still sends into the old association: relinked (seed ${seed})`, (t) => {
    const world = new TwoClients(t, seed);
    const { a, b } = world;
    t.true(world.call());
    b.stream(a.address, 20_000);
    world.run(1_000);
    a.kill();
    world.run(500);
    a.start();
    const back = world.now;
    t.true(world.until(() => a.received(b).length > 0, 10_000));
    t.log(`first packet ${(world.now - back).toFixed(0)} ms after its start`);
    world.run(2_000);
    t.true(a.gap(b, world.now - 1_000, world.now) <= 100);
  });

test('the other end of a call is killed: the caller hears of it, and its packets arrive after the return', (t) => {
  const world = new TwoClients(t, 320);
  const { a, b } = world;
  t.true(world.call());
  b.kill();
  world.run(2_000);
  b.start();
  t.true(world.until(() => b.ready, 10_000));
  const back = world.now;
  a.stream(b.address, 5_000);
  world.run(5_000);
  t.log(`first packet ${((b.dataPlane.delivered[0]?.at ?? Infinity) - back).toFixed(0)} ms after`);
  t.true(b.gap(a, world.now - 2_000, world.now) <= 100);
});

test('both ends of a call are killed at once and come back', (t) => {
  const world = new TwoClients(t, 321);
  const { a, b } = world;
  t.true(world.call());
  a.kill();
  b.kill();
  world.run(1_000);
  a.start();
  b.start();
  t.true(world.until(() => a.ready && b.ready, 10_000));
  a.send(b.ipv4 ?? '', 'again');
  t.true(world.until(() => b.received(a).length === 1, 5_000));
});

for (const called of [false, true])
  for (const [i, downMs] of [500, 10_000, 60_000, 600_000].entries())
    test(`the only peer is killed for ${downMs / 1000} s and comes back alone, clients ${called ? 'linked with each other' : 'idle'}: everyone finds back, names and addresses stay`, (t) => {
      const world = new TwoClients(t, 330 + i + (called ? 10 : 0));
      const { a, b, founder } = world;
      if (called) t.true(world.call());
      const addresses = [founder, a, b].map(({ ipv4 }) => ipv4);
      founder.kill();
      world.run(downMs);
      founder.start();
      const back = world.now;
      const linked = (): boolean => founder.isLinkedTo(a) && founder.isLinkedTo(b) && founder.ready;
      t.true(world.until(linked, 60_000));
      t.log(`everyone is back after ${(world.now - back).toFixed(0)} ms`);
      const stored = (): boolean => nameOf(world, b, a)[1] === a.ipv4 && nameOf(world, a, b)[1] === b.ipv4;
      for (let tries = 0; tries < 50 && !stored(); tries++) world.run(100);
      t.log(`names and addresses are stored again after ${(world.now - back).toFixed(0)} ms`);
      t.deepEqual(nameOf(world, a, b), [b.hit, addresses[2]]);
      t.deepEqual(nameOf(world, b, founder), [founder.hit, addresses[0]]);
      t.deepEqual(
        [founder, a, b].map(({ ipv4 }) => ipv4),
        addresses,
      );
      const sent = world.now;
      const count = b.received(a).length;
      a.send(b.ipv4 ?? '', 'after');
      t.true(world.until(() => b.received(a).length === count + 1, 10_000));
      t.log(`called in ${(world.now - sent).toFixed(0)} ms`);
    });

test('the only peer is away: a call that is under way goes on, and the two still reach each other by what they know', (t) => {
  const world = new TwoClients(t, 340);
  const { a, b, founder } = world;
  t.true(world.call());
  founder.kill();
  world.run(300_000);
  const since = world.now;
  a.stream(b.ipv4 ?? '', 2_000);
  b.stream(a.address, 2_000);
  world.run(2_000);
  t.true(b.gap(a, since, world.now) <= 100);
  t.true(a.gap(b, since, world.now) <= 100);
});

test('an agent that stops tells it: within a tenth of a second after its end nobody has a link with it', (t) => {
  const world = new TwoClients(t, 350);
  const { a, b, founder } = world;
  t.true(world.call());
  b.stop();
  t.true(world.until(() => !b.running, 1_001));
  world.run(100);
  t.false(a.isLinkedTo(b));
  t.deepEqual(
    founder.engine.links.snapshot().links.map(({ hit }) => hit),
    [a.hit],
  );
});

test('a peer that stops hands over what it stores: every name is still found at once', (t) => {
  const world = new AgentWorld(t, 351);
  const peers = [1, 2, 3].map(() => world.member(world.publicHost()));
  const clients = [1, 2, 3, 4].map(() => world.member(world.hostAtHome()));
  world.run(1_000);
  world.started(...peers);
  t.true(world.allReady(peers));
  world.started(...clients);
  t.true(world.allReady(clients));
  const [leaver] = peers;
  const before = leaver?.engine.overlay?.snapshot(world.now).storedResources ?? 0;
  t.true(before > 0);
  leaver?.stop();
  world.run(1_500);
  for (const client of clients) t.is(nameOf(world, world.founder, client)[0], client.hit);
});

for (const seed of [330, 331])
  test(`members with public addresses are killed, one after another: each is back in 100 ms where all are near (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed, { internet: { latencyMs: 0.2, jitterMs: 0, loss: 0 } });
    world.run(1_000);
    const members = Array.from({ length: 5 }, () => world.member(world.publicHost()));
    for (const member of members) {
      world.started(member);
      t.true(world.allReady([member]));
    }
    for (const member of members) {
      const { ipv4 } = member;
      member.kill();
      world.run(1_000);
      member.start();
      const back = world.now;
      t.true(world.until(() => member.joined, 10_000));
      const tookMs = world.now - back;
      t.log(`joined after ${tookMs.toFixed(0)} ms`);
      t.true(tookMs <= 100, `${tookMs.toFixed(0)} ms`);
      t.is(member.role, 'peer');
      t.true(world.allReady([member]));
      t.is(member.ipv4, ipv4);
    }
  });
