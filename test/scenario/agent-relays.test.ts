import test from 'ava';
import { SYMMETRIC_NAT } from '../sim/network/nat.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

const APART = { natA: SYMMETRIC_NAT, natB: SYMMETRIC_NAT };

function pathOf(from: SimAgent, to: SimAgent): { type?: string; via?: string } {
  return from.engine.links.snapshot().links.find(({ hit }) => hit === to.hit)?.path ?? {};
}

test('two clients behind symmetric NATs call each other through the peer of their overlay', (t) => {
  const world = new TwoClients(t, 1, APART);
  const called = world.now;
  world.a.send(world.b.address, 'first');
  t.true(world.until(() => world.b.received(world.a).length > 0, 10_000));
  t.true(world.now - called < 1_500, `${world.now - called} ms`);
  world.b.send(world.a.ipv4 === undefined ? world.a.address : world.a.ipv4, 'answer');
  t.true(world.until(() => world.a.received(world.b).length > 0, 10_000));
  t.like(pathOf(world.a, world.b), { type: 'relay', via: world.founder.hit });
  t.like(pathOf(world.b, world.a), { type: 'relay', via: world.founder.hit });
  t.deepEqual(world.founder.received(world.a), []);
});

test('nobody remembers a member at the address of the overlay at which a relay reached it', (t) => {
  const world = new TwoClients(t, 2, APART);
  t.true(world.call());
  world.run(30_000);
  const locators = world.a.engine.contacts.flatMap((contact) => contact.locators.map(({ address }) => address));
  t.true(locators.length > 0);
  t.false(
    locators.some((address) => address.startsWith('2001:2')),
    locators.join(),
  );
});

test('a relayed call outlives that both hosts move at once, with the same association', (t) => {
  const world = new TwoClients(t, 3, APART);
  t.true(world.call());
  world.a.stream(world.b.address, 8_000);
  world.b.stream(world.a.address, 8_000);
  world.run(2_000);
  const since = world.now;
  world.a.host.move(world.home(SYMMETRIC_NAT), '10.0.0.9');
  world.b.host.move(world.home(SYMMETRIC_NAT), '10.0.0.9');
  world.run(5_000);
  t.true(world.b.gap(world.a, since, world.now) < 1_000, `${world.b.gap(world.a, since, world.now)} ms`);
  t.true(world.a.gap(world.b, since, world.now) < 1_000, `${world.a.gap(world.b, since, world.now)} ms`);
  t.is(world.a.handshakes(world.b), 1);
});

test('a client hands on nothing for others, and a peer that is told not to does not either', (t) => {
  const world = new TwoClients(t, 4, { ...APART, relayBytesPerSecond: 0 });
  world.a.send(world.b.address, 'lost');
  world.run(15_000);
  t.deepEqual(world.b.received(world.a), []);
  t.false(world.a.isLinkedTo(world.b));
  t.true(world.a.dataPlane.unreachable.includes(world.b.address));
});
