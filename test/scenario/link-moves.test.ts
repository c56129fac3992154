import test from 'ava';
import type { ExecutionContext } from 'ava';
import { simHit, SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';
import type { ThreeHostsOptions } from '../sim/network/three-hosts.ts';

const FLOW_MS = 10_000;
const MOVE_AT_MS = 3_000;

function inCall(t: ExecutionContext, seed: number, options: ThreeHostsOptions = {}): ThreeHosts {
  const world = new ThreeHosts(t, seed, options);
  t.true(world.join());
  t.true(world.call());
  return world;
}

/** Nothing was negotiated anew: the same links in the data plane, one handshake each. */
function associationKept(t: ExecutionContext, world: ThreeHosts, before: readonly (number | undefined)[]): void {
  t.deepEqual([world.linkId(world.a, world.b), world.linkId(world.b, world.a)], before);
  t.is(world.handshakes(world.a, world.b), 1);
  t.is(world.a.count('down') + world.b.count('down') + world.peer.count('down'), 0);
}

function links(world: ThreeHosts): readonly (number | undefined)[] {
  return [world.linkId(world.a, world.b), world.linkId(world.b, world.a)];
}

for (const seed of [1, 2, 3])
  test(`a host in a call moves behind a third NAT: both directions go on within a second (seed ${seed})`, (t) => {
    const world = inCall(t, seed);
    const before = links(world);
    const start = world.network.loop.now;
    world.stream(world.a, world.b, FLOW_MS);
    world.stream(world.b, world.a, FLOW_MS);
    world.network.loop.run(MOVE_AT_MS);
    world.a.host.move(world.thirdHome, '10.0.0.9');
    world.network.loop.run(FLOW_MS);
    const gaps = [world.gap(world.b, world.a, start), world.gap(world.a, world.b, start)];
    t.log(`gaps ${gaps.map((gap) => gap.toFixed(0)).join(' and ')} ms`);
    for (const gap of gaps) t.true(gap <= 1_000, `${gap} ms`);
    associationKept(t, world, before);
  });

test('a silent mover is found again within a second: only the other end sends', (t) => {
  const world = inCall(t, 4);
  const before = links(world);
  const start = world.network.loop.now;
  world.stream(world.b, world.a, FLOW_MS);
  world.network.loop.run(MOVE_AT_MS);
  world.a.host.move(world.thirdHome, '10.0.0.9');
  world.network.loop.run(FLOW_MS);
  const gap = world.gap(world.a, world.b, start);
  t.log(`gap ${gap.toFixed(0)} ms`);
  t.true(gap <= 1_000);
  associationKept(t, world, before);
});

test('the called host moves: both directions go on within a second, whoever controls ICE', (t) => {
  const world = inCall(t, 5);
  const before = links(world);
  const start = world.network.loop.now;
  world.stream(world.a, world.b, FLOW_MS);
  world.stream(world.b, world.a, FLOW_MS);
  world.network.loop.run(MOVE_AT_MS);
  world.b.host.move(world.thirdHome, '10.0.0.9');
  world.network.loop.run(FLOW_MS);
  const gaps = [world.gap(world.b, world.a, start), world.gap(world.a, world.b, start)];
  t.log(`gaps ${gaps.map((gap) => gap.toFixed(0)).join(' and ')} ms`);
  for (const gap of gaps) t.true(gap <= 1_000, `${gap} ms`);
  associationKept(t, world, before);
});

for (const seed of [6, 7, 8])
  test(`both hosts move at once: both directions go on within 1.5 s (seed ${seed})`, (t) => {
    const world = inCall(t, seed);
    const before = links(world);
    const start = world.network.loop.now;
    world.stream(world.a, world.b, FLOW_MS);
    world.stream(world.b, world.a, FLOW_MS);
    world.network.loop.run(MOVE_AT_MS);
    world.a.host.move(world.thirdHome, '10.0.0.9');
    world.b.host.move(world.fourthHome, '10.0.0.9');
    world.network.loop.run(FLOW_MS);
    const gaps = [world.gap(world.b, world.a, start), world.gap(world.a, world.b, start)];
    t.log(`gaps ${gaps.map((gap) => gap.toFixed(0)).join(' and ')} ms`);
    for (const gap of gaps) t.true(gap <= 1_500, `${gap} ms`);
    associationKept(t, world, before);
  });

test('a host that moves again while its first move is being mended is found at the last address within two seconds', (t) => {
  for (const pause of [5, 25, 50, 75, 100, 130]) {
    const world = inCall(t, 40);
    const before = links(world);
    world.stream(world.b, world.a, FLOW_MS);
    world.a.host.move(world.thirdHome, '10.0.0.9');
    world.network.loop.run(pause);
    const start = world.network.loop.now;
    world.a.host.move(world.fourthHome, '10.0.0.10');
    world.network.loop.run(FLOW_MS);
    const gap = world.gap(world.a, world.b, start);
    t.true(gap <= 2_000, `${gap} ms after a pause of ${pause} ms`);
    associationKept(t, world, before);
  }
});

test('a host moves ten times, every three seconds: the association is kept, and packets come at the end', (t) => {
  const world = inCall(t, 9);
  const before = links(world);
  world.stream(world.b, world.a, 40_000);
  for (let i = 0; i < 10; i++) {
    world.a.host.move(i % 2 === 0 ? world.thirdHome : world.fourthHome, `10.0.0.${20 + i}`);
    world.network.loop.run(3_000);
  }
  world.network.loop.run(3_000);
  t.true(world.linked);
  associationKept(t, world, before);
  const last = world.a.dataPlane.delivered.at(-1);
  t.true(world.network.loop.now - (last?.at ?? 0) < 100);
});

for (const seed of [31, 32, 33, 34])
  test(`a move over a network that loses a tenth keeps the association (seed ${seed})`, (t) => {
    const world = inCall(t, seed, { internet: { latencyMs: 15, jitterMs: 10, loss: 0.1 } });
    const before = links(world);
    world.a.host.move(world.thirdHome, '10.0.0.9');
    t.true(world.until(() => world.linked, 20_000));
    associationKept(t, world, before);
  });

test('the network is away for twenty seconds: the association is still there', (t) => {
  const world = inCall(t, 10);
  const before = links(world);
  world.a.host.unplug('10.0.0.2');
  world.network.loop.run(20_000);
  world.a.host.plug(world.thirdHome, '10.0.0.9');
  t.true(world.until(() => world.linked, 5_000));
  associationKept(t, world, before);
});

test('the network is away for longer than a link lives: the link is told down on both sides', (t) => {
  const world = inCall(t, 11);
  world.a.host.unplug('10.0.0.2');
  world.network.loop.run(120_000);
  t.deepEqual(
    [world.a, world.b].map((node) => node.events.filter(({ type }) => type === 'down').length > 0),
    [true, true],
  );
  t.deepEqual(world.a.links.snapshot().links, []);
});

test('a second uplink comes up and the first goes away later: neither direction is silent for more than 200 ms', (t) => {
  const world = inCall(t, 12);
  const before = links(world);
  world.a.host.plug(world.thirdHome, '10.0.0.9');
  world.network.loop.run(3_000);
  const start = world.network.loop.now;
  world.stream(world.a, world.b, FLOW_MS);
  world.stream(world.b, world.a, FLOW_MS);
  world.network.loop.run(MOVE_AT_MS);
  world.a.host.unplug('10.0.0.2');
  world.network.loop.run(FLOW_MS);
  const gaps = [world.gap(world.b, world.a, start), world.gap(world.a, world.b, start)];
  t.log(`gaps ${gaps.map((gap) => gap.toFixed(0)).join(' and ')} ms`);
  for (const gap of gaps) t.true(gap <= 200, `${gap} ms`);
  associationKept(t, world, before);
});

test('an address that is deprecated carries the call on without a lost packet, is offered to nobody, and is left when it is removed', (t) => {
  const world = new ThreeHosts(t, 17);
  world.a.host.move(world.thirdHome, '10.0.0.9');
  t.true(world.join());
  t.true(world.call());
  const before = links(world);
  const { a, b, network } = world;
  const localOf = (): string | undefined =>
    a.links.snapshot().links.find(({ hit }) => hit === b.hit)?.path?.local?.address;
  a.host.plug(world.thirdHome, '10.0.0.10');
  network.loop.run(3_000);
  const start = network.loop.now;
  const arrived = (node: SimNode): number => node.dataPlane.delivered.filter(({ at }) => at >= start).length;
  world.stream(a, b, FLOW_MS);
  world.stream(b, a, FLOW_MS);
  network.loop.run(MOVE_AT_MS);
  a.host.deprecate('10.0.0.9');
  network.loop.run(FLOW_MS);
  t.is(localOf(), '10.0.0.9');
  t.deepEqual([arrived(a), arrived(b)], [FLOW_MS / 20, FLOW_MS / 20]);
  t.is(a.count('needsRestart'), 0);
  const { candidates } = a.input(() => a.links.offer(simHit(99)));
  t.deepEqual(
    candidates.filter(({ type }) => type === 'host').map(({ address }) => address.address),
    ['10.0.0.10'],
  );
  const removedAt = network.loop.now;
  world.stream(a, b, FLOW_MS);
  world.stream(b, a, FLOW_MS);
  a.host.unplug('10.0.0.9');
  network.loop.run(FLOW_MS);
  t.is(localOf(), '10.0.0.10');
  for (const gap of [world.gap(b, a, removedAt), world.gap(a, b, removedAt)]) t.true(gap <= 1_000, `${gap} ms`);
  associationKept(t, world, before);
});

test('a NAT restarts with another address and nothing is sent: within a minute the link works again, by its association', (t) => {
  const world = inCall(t, 13);
  const before = links(world);
  world.natA.reboot('198.51.100.77');
  world.network.loop.run(60_000);
  t.true(world.linked);
  world.b.sendPacket(world.a.hit, 'there');
  world.network.loop.run(100);
  t.is(world.a.dataPlane.delivered.at(-1)?.payload, 'there');
  associationKept(t, world, before);
});

test('after consent has expired not one more record goes to where the peer was, and when it is back there the call goes on', (t) => {
  const world = inCall(t, 18);
  const before = links(world);
  const { a, b, network } = world;
  const sent: number[] = [];
  network.internet.isCut = ({ source, destination, data }) => {
    const ends = [source.address, destination.address];
    if (!ends.includes('198.51.100.1') || !ends.includes('198.51.100.2')) return false;
    if (source.address === '198.51.100.1' && (data[0] ?? 0) > 3) sent.push(network.loop.now);
    return true;
  };
  world.stream(a, b, 70_000);
  t.true(world.until(() => !a.links.isUp(b.hit), 40_000));
  const expired = network.loop.now;
  t.true(sent.length > 1_000, 'until then it does');
  network.loop.run(8_000);
  t.deepEqual(
    sent.filter((at) => at > expired),
    [],
  );
  network.internet.isCut = () => false;
  t.true(world.until(() => world.linked, 15_000));
  network.loop.run(100);
  t.true(network.loop.now - (b.dataPlane.delivered.at(-1)?.at ?? 0) < 100);
  associationKept(t, world, before);
});

test('a host that was killed comes back with the same address and is linked again', (t) => {
  const world = inCall(t, 14);
  const { network, overlay, peer } = world;
  const { host, hit } = world.a;
  world.a.kill();
  network.loop.run(2_000);
  world.a = new SimNode(network, host, hit, overlay);
  const since = network.loop.now;
  world.a.dial(peer);
  t.true(world.until(() => world.a.links.isUp(peer.hit) && peer.links.isUp(hit), 10_000));
  t.log(`linked with the peer after ${(network.loop.now - since).toFixed(0)} ms`);
  world.a.connect(world.b.hit);
  t.true(
    world.until(() => world.linked && world.b.events.some((event) => event.type === 'up' && event.replaced), 10_000),
  );
  world.a.sendPacket(world.b.hit, 'there');
  world.b.sendPacket(hit, 'back');
  network.loop.run(500);
  t.is(world.b.dataPlane.delivered.at(-1)?.payload, 'there');
  t.is(world.a.dataPlane.delivered.at(-1)?.payload, 'back');
});

test('a host was killed and is back, and the other end calls first: it learns of the loss', (t) => {
  const world = inCall(t, 15);
  const { network, overlay, peer } = world;
  const { host, hit } = world.a;
  world.a.kill();
  network.loop.run(500);
  world.a = new SimNode(network, host, hit, overlay);
  world.a.dial(peer);
  t.true(world.until(() => world.a.links.isUp(peer.hit) && peer.links.isUp(hit), 10_000));
  t.true(world.until(() => world.linked, 15_000));
  world.b.sendPacket(hit, 'hello again');
  network.loop.run(500);
  t.is(world.a.dataPlane.delivered.at(-1)?.payload, 'hello again');
});

test('a host that was killed and stays away is told down', (t) => {
  const world = inCall(t, 16);
  world.a.kill();
  world.network.loop.run(100_000);
  t.is(world.b.events.filter((event) => event.type === 'down' && event.hit === world.a.hit).length, 1);
  t.is(world.peer.events.filter((event) => event.type === 'down' && event.hit === world.a.hit).length, 1);
});
