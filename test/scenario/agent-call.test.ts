import test from 'ava';
import type { NatBehaviour } from '../sim/network/nat.ts';
import { HOME_NAT } from '../sim/network/nat.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

const PAYLOADS = Array.from({ length: 10 }, (_, i) => `packet ${i}`);

/** RFC 4787 s4.1, s5: what two hosts can get through without a relay. */
const NATS: Readonly<Record<string, NatBehaviour>> = {
  'endpoint-independent filtering': { ...HOME_NAT, filtering: 'endpoint-independent' },
  'address-dependent filtering': { ...HOME_NAT, filtering: 'address-dependent' },
  'address- and port-dependent filtering': HOME_NAT,
  'ports of its own': { ...HOME_NAT, portPreservation: false },
};

for (const [i, [kind, behaviour]] of Object.entries(NATS).entries())
  test(`two clients behind NATs with ${kind}: packets to a HIT are held and arrive in order`, (t) => {
    const world = new TwoClients(t, 200 + i, { natA: behaviour, natB: behaviour });
    const { a, b } = world;
    t.deepEqual([a.role, b.role], ['client', 'client']);
    const begun = world.now;
    for (const payload of PAYLOADS) a.send(b.address, payload);
    t.true(world.until(() => b.received(a).length === PAYLOADS.length, 5_000));
    t.log(`first packets after ${(world.now - begun).toFixed(0)} ms`);
    t.deepEqual(b.received(a), PAYLOADS);
    b.send(a.address, 'answer');
    world.run(100);
    t.deepEqual(a.received(b), ['answer']);
  });

test('packets to an overlay IPv4 address arrive in order from the claimed IPv4 address, none is dropped', (t) => {
  const world = new TwoClients(t, 210);
  const { a, b } = world;
  for (const payload of PAYLOADS) a.send(b.ipv4 ?? '', payload);
  t.true(world.until(() => b.received(a).length === PAYLOADS.length, 5_000));
  t.deepEqual(b.received(a), PAYLOADS);
  t.true(b.dataPlane.delivered.every(({ source }) => source === a.ipv4));
  b.send(a.ipv4 ?? '', 'answer');
  world.run(100);
  t.deepEqual(a.received(b), ['answer']);
  t.deepEqual([a.dataPlane.dropped, b.dataPlane.dropped], [[], []]);
});

test('a name resolves to HIT and IPv4 address, and both lead to the same link', (t) => {
  const world = new TwoClients(t, 211);
  const { a, b } = world;
  const told = a.lookupName('bob@home.example');
  t.true(world.until(() => told.answer !== undefined, 2_000));
  const host = told.answer?.ok === true ? told.answer.value[0] : undefined;
  t.deepEqual([host?.hit, host?.ipv4], [b.hit, b.ipv4]);
  a.send(b.address, 'v6');
  a.send(b.ipv4 ?? '', 'v4');
  t.true(world.until(() => b.received(a).length === 2, 5_000));
  t.is(a.engine.links.snapshot().links.filter(({ hit }) => hit === b.hit).length, 1);
  t.is(a.handshakes(b), 1);
});

for (const seed of [212, 213, 214])
  test(`both call each other at once, by HIT and by IPv4: one link, all packets arrive (seed ${seed})`, (t) => {
    const world = new TwoClients(t, seed);
    const { a, b } = world;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.send(to.address, 'v6');
      from.send(to.ipv4 ?? '', 'v4');
    }
    world.run(3_000);
    t.deepEqual(
      [a.received(b).sort(), b.received(a).sort()],
      [
        ['v4', 'v6'],
        ['v4', 'v6'],
      ],
    );
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      t.is(from.engine.links.snapshot().links.filter(({ hit }) => hit === to.hit).length, 1);
  });

test('an address that nobody claimed is refused within half a second', (t) => {
  const world = new TwoClients(t, 215);
  const { a } = world;
  a.send('198.18.0.77', 'to nobody');
  t.true(world.until(() => a.dataPlane.unreachable.length === 1, 500));
});

test('a HIT that nobody has is refused when the time is up, and then at once for a second', (t) => {
  const world = new TwoClients(t, 218);
  const { a } = world;
  const nobody = '2001:22::1234';
  a.send(nobody, 'to nobody');
  t.true(world.until(() => a.dataPlane.unreachable.length === 1, 10_001));
  a.send(nobody, 'again');
  world.run(1);
  t.deepEqual(a.dataPlane.unreachable, [nobody, nobody]);
});

test('a member that sends from an IPv4 address it did not claim is not heard', (t) => {
  const world = new TwoClients(t, 216);
  const { a, b } = world;
  t.true(world.call());
  a.dataPlane.setLocalAddresses(a.hit, world.founder.ipv4 ?? '');
  a.send(b.ipv4 ?? '', 'from another address');
  a.dataPlane.setLocalAddresses(world.founder.hit, a.ipv4 ?? '');
  a.send(b.address, 'from another HIT');
  world.run(1_000);
  t.deepEqual(b.received(a), ['call']);
  t.deepEqual(
    b.dataPlane.dropped.map(({ payload }) => payload),
    ['from another address', 'from another HIT'],
  );
});

for (const seed of [217, 219, 220])
  test(`a call over a network that loses a tenth: what is held leaves in order, and IPv4 is let in soon (seed ${seed})`, (t) => {
    const world = new TwoClients(t, seed, { internet: { latencyMs: 15, loss: 0.1 } });
    const { a, b } = world;
    for (const payload of PAYLOADS) a.send(b.address, payload);
    t.true(world.until(() => b.received(a).length >= 5, 10_000));
    world.run(2_000);
    const order = b.received(a).map((payload) => PAYLOADS.indexOf(payload));
    t.deepEqual(
      order,
      [...order].sort((x, y) => x - y),
    );
    a.stream(b.ipv4 ?? '', 1_000);
    world.run(1_100);
    t.true(b.received(a).length >= order.length + 35);
  });
