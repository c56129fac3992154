import test from 'ava';
import type { ExecutionContext } from 'ava';
import { silentLogger } from '../../src/base/logger.ts';
import type { LogFields } from '../../src/base/logger.ts';
import { HOME_NAT, SYMMETRIC_NAT } from '../sim/network/nat.ts';
import type { NatBehaviour } from '../sim/network/nat.ts';
import { simHit, SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';
import type { ThreeHostsOptions } from '../sim/network/three-hosts.ts';

const PLENTY = 1_000_000;

/** Nothing leads from A to B, but for the peer. */
function apart(t: ExecutionContext, seed: number, options: ThreeHostsOptions = {}): ThreeHosts {
  return new ThreeHosts(t, seed, { natA: SYMMETRIC_NAT, natB: SYMMETRIC_NAT, relay: true, ...options });
}

function pathOf(from: SimNode, to: SimNode): { type?: string; via?: string } {
  return from.links.snapshot().links.find(({ hit }) => hit === to.hit)?.path ?? {};
}

function payloads(to: SimNode, from: SimNode): string[] {
  return to.dataPlane.delivered.filter((packet) => packet.from === from.hit).map(({ payload }) => payload);
}

/** Another one in the open that hands on, with which both are linked. */
function secondPeer(world: ThreeHosts, nodes: readonly SimNode[] = [world.a, world.b]): SimNode {
  const { network, overlay } = world;
  const n = overlay.nodes.size + 1;
  const peer = new SimNode(network, network.host(network.internet, `203.0.113.${n}`), simHit(n), overlay);
  peer.dataPlane.setRelay(PLENTY);
  for (const node of nodes) node.dial(peer);
  world.until(() => nodes.every((node) => node.links.isUp(peer.hit)), 5_000);
  return peer;
}

test('two hosts behind symmetric NATs are linked through a public peer, and exchange packets', (t) => {
  const world = apart(t, 1);
  t.true(world.join());
  for (let i = 0; i < 5; i++) world.a.sendPacket(world.b.hit, `a ${i}`);
  const before = world.a.now;
  world.a.connect(world.b.hit);
  t.true(world.until(() => world.linked, 20_000));
  t.true(world.a.now - before < 1_000, `${world.a.now - before} ms`);
  world.network.loop.run(3_000);
  for (let i = 0; i < 5; i++) world.b.sendPacket(world.a.hit, `b ${i}`);
  world.network.loop.run(1_000);
  t.deepEqual(payloads(world.b, world.a), ['a 0', 'a 1', 'a 2', 'a 3', 'a 4']);
  t.deepEqual(payloads(world.a, world.b), ['b 0', 'b 1', 'b 2', 'b 3', 'b 4']);
  t.like(pathOf(world.a, world.b), { type: 'relay', via: world.peer.hit });
  t.like(pathOf(world.b, world.a), { type: 'relay', via: world.peer.hit });
  t.deepEqual(world.peer.dataPlane.delivered, []);
});

for (const [one, two] of [
  ['endpoint-independent', 'endpoint-independent'],
  ['address-dependent', 'address-dependent'],
  ['endpoint-independent', 'address-dependent'],
] as const)
  for (const [seed, latencyMs] of [
    [16, 0],
    [17, 2],
    [18, 20],
  ] as const)
    test(`two NATs that give each destination another port, filtering ${one} and ${two}: linked by the relay within a second (latency ${latencyMs} ms)`, (t) => {
      // Each check that passes comes from yet another port, and asks for a check there.
      const world = apart(t, seed, {
        natA: { ...SYMMETRIC_NAT, filtering: one, portPreservation: true },
        natB: { ...SYMMETRIC_NAT, filtering: two, portPreservation: true },
        internet: { latencyMs },
      });
      t.true(world.join());
      const before = world.a.now;
      world.a.connect(world.b.hit);
      t.true(world.until(() => world.linked, 20_000));
      t.true(world.a.now - before < 1_000, `${world.a.now - before} ms`);
      t.is(pathOf(world.a, world.b).type, 'relay');
    });

test('where a direct path works in time packets go by it; a relay stands by, and carries fewer probes than one in ten packets', (t) => {
  const world = apart(t, 2, { natA: HOME_NAT, natB: HOME_NAT });
  t.true(world.join());
  t.true(world.call());
  t.is(pathOf(world.a, world.b).type, 'srflx');
  const before = world.peer.dataPlane.forwarded;
  world.stream(world.a, world.b, 8_000);
  world.network.loop.run(9_000);
  t.is(payloads(world.b, world.a).length, 400);
  t.true(world.peer.dataPlane.forwarded - before < 40, `${world.peer.dataPlane.forwarded - before} handed on`);
  const after = world.peer.dataPlane.forwarded;
  world.network.loop.run(60_000);
  t.true(world.peer.dataPlane.forwarded - after <= 4, 'nothing without packets');
});

for (const seed of [3, 4, 5])
  test(`a direct path that comes up later takes over from the relay without a loss (seed ${seed})`, (t) => {
    const world = apart(t, seed);
    t.true(world.join());
    t.true(world.call());
    t.is(pathOf(world.a, world.b).type, 'relay');
    world.stream(world.a, world.b, 8_000);
    world.stream(world.b, world.a, 8_000);
    world.network.loop.run(1_000);
    world.a.host.plug(world.network.internet, '203.0.113.77');
    world.network.loop.run(9_000);
    t.not(pathOf(world.a, world.b).type, 'relay');
    t.not(pathOf(world.b, world.a).type, 'relay');
    for (const [from, to] of [
      [world.a, world.b],
      [world.b, world.a],
    ] as const)
      t.is(new Set(payloads(to, from)).size, 400);
    t.is(world.handshakes(world.a, world.b), 1);
  });

test('a host moves and goes on by the relay: one look for a direct path is begun, not two', (t) => {
  const begun: LogFields[] = [];
  const info = (event: string, fields: LogFields = {}): void => {
    if (event === 'link.repair') begun.push(fields);
  };
  const world = new ThreeHosts(t, 1, { internet: { latencyMs: 28 }, relay: true }, (name) =>
    name === 'a' ? { ...silentLogger, info } : silentLogger,
  );
  t.true(world.join());
  t.true(world.call());
  const { a, b, network } = world;
  world.stream(a, b, 4_000);
  network.loop.run(2_000);
  begun.length = 0;
  a.host.move(world.thirdHome, '10.0.3.9');
  network.loop.run(2_000);
  t.like(pathOf(a, b), { type: 'srflx' });
  const causes = begun.filter(({ nodeId }) => nodeId === b.hit).map(({ cause }) => cause);
  t.deepEqual(causes, ['remapped']);
});

test('where a firewall stands between two hosts they go by the relay, and directly soon after it is gone', (t) => {
  const world = apart(t, 14, { natA: HOME_NAT, natB: HOME_NAT });
  const homes = ['198.51.100.1', '198.51.100.2'];
  world.network.internet.isCut = ({ source, destination }) =>
    homes.includes(source.address) && homes.includes(destination.address);
  t.true(world.join());
  t.true(world.call());
  t.is(pathOf(world.a, world.b).type, 'relay');
  world.stream(world.a, world.b, 120_000);
  world.stream(world.b, world.a, 120_000);
  world.network.loop.run(25_000);
  world.network.internet.isCut = () => false;
  t.true(world.until(() => pathOf(world.a, world.b).type !== 'relay', 60_000));
  t.true(world.until(() => pathOf(world.b, world.a).type !== 'relay', 5_000));
  world.network.loop.run(120_000);
  for (const [from, to] of [
    [world.a, world.b],
    [world.b, world.a],
  ] as const)
    t.is(new Set(payloads(to, from)).size, 6_000);
});

test('a host that comes into the open leaves the relay, with the same association', (t) => {
  const world = apart(t, 6);
  t.true(world.join());
  t.true(world.call());
  t.is(pathOf(world.b, world.a).type, 'relay');
  world.a.host.move(world.network.internet, '203.0.113.77');
  t.true(world.until(() => pathOf(world.b, world.a).type !== 'relay', 10_000));
  world.network.loop.run(2_000);
  t.not(pathOf(world.a, world.b).type, 'relay');
  const { forwarded } = world.peer.dataPlane;
  world.stream(world.a, world.b, 2_000);
  world.network.loop.run(3_000);
  t.is(payloads(world.b, world.a).length, 100);
  // The relay stays the way that is left when the direct one fails, and is asked for that now and then.
  t.true(world.peer.dataPlane.forwarded - forwarded < 20, `${world.peer.dataPlane.forwarded - forwarded} forwarded`);
  t.is(world.handshakes(world.a, world.b), 1);
});

test('both ends behind symmetric NATs move at once, and the relayed link goes on', (t) => {
  const world = apart(t, 7);
  t.true(world.join());
  t.true(world.call());
  world.stream(world.a, world.b, 6_000);
  world.stream(world.b, world.a, 6_000);
  world.network.loop.run(1_000);
  const since = world.a.now;
  world.a.host.move(world.thirdHome, '10.0.0.3');
  world.b.host.move(world.fourthHome, '10.0.0.4');
  world.network.loop.run(5_500);
  t.true(world.gap(world.b, world.a, since) < 1_000, `${world.gap(world.b, world.a, since)} ms`);
  t.true(world.gap(world.a, world.b, since) < 1_000, `${world.gap(world.a, world.b, since)} ms`);
  t.is(world.handshakes(world.a, world.b), 1);
});

test('the relay dies, and another one takes over', (t) => {
  const world = apart(t, 8);
  t.true(world.join());
  const other = secondPeer(world);
  t.true(world.call());
  const { via } = pathOf(world.a, world.b);
  const [dead, left] = via === world.peer.hit ? [world.peer, other] : [other, world.peer];
  dead.kill();
  world.stream(world.a, world.b, 60_000);
  t.true(world.until(() => pathOf(world.a, world.b).via === left.hit, 60_000));
  world.network.loop.run(3_000);
  world.b.sendPacket(world.a.hit, 'here');
  world.network.loop.run(1_000);
  t.true(payloads(world.a, world.b).includes('here'));
  t.is(world.handshakes(world.a, world.b), 1);
});

test('a relay that ends its links in order is left for another one at once', (t) => {
  const world = apart(t, 9);
  t.true(world.join());
  const other = secondPeer(world);
  t.true(world.call());
  const { via } = pathOf(world.a, world.b);
  const [leaving, left] = via === world.peer.hit ? [world.peer, other] : [other, world.peer];
  world.stream(world.a, world.b, 5_000);
  world.network.loop.run(1_000);
  const since = world.a.now;
  for (const node of [world.a, world.b]) leaving.input(() => leaving.links.close(node.hit, 'test'));
  world.network.loop.run(5_000);
  t.is(pathOf(world.a, world.b).via, left.hit);
  t.true(world.gap(world.b, world.a, since) < 1_000, `${world.gap(world.b, world.a, since)} ms`);
});

test('when the only relay is gone, both ends say that the link is down', (t) => {
  const world = apart(t, 10);
  t.true(world.join());
  t.true(world.call());
  world.peer.kill();
  world.network.loop.run(120_000);
  t.true(world.a.events.some((event) => event.type === 'down' && event.hit === world.b.hit));
  t.true(world.b.events.some((event) => event.type === 'down' && event.hit === world.a.hit));
});

test('a host that is linked with none of the relays of the other dials one', (t) => {
  const world = apart(t, 11, { relay: false });
  t.true(world.join());
  const ofA = secondPeer(world, [world.a]);
  const ofB = secondPeer(world, [world.b]);
  world.a.connect(world.b.hit);
  t.true(world.until(() => world.linked, 10_000));
  t.true([ofA.hit, ofB.hit].includes(pathOf(world.a, world.b).via ?? ''));
  t.true(world.a.links.isUp(ofB.hit) || world.b.links.isUp(ofA.hit));
});

test('a peer behind a NAT that both are linked with is better than none', (t) => {
  const world = apart(t, 15, { relay: false });
  const { network, overlay } = world;
  const isPeer = (hit: string): boolean => hit === simHit(4);
  const open = { ...HOME_NAT, filtering: 'endpoint-independent' } as const;
  const node = (n: number, address: string, nat: NatBehaviour): SimNode =>
    new SimNode(network, network.host(network.home(`home-${n}`, address, nat).lan, '10.0.0.2'), simHit(n), overlay, {
      isPeer,
    });
  const peer = node(4, '198.51.100.14', open);
  const a = node(5, '198.51.100.15', SYMMETRIC_NAT);
  const b = node(6, '198.51.100.16', SYMMETRIC_NAT);
  peer.dataPlane.setRelay(PLENTY);
  for (const host of [peer, a, b]) host.dial(world.peer);
  network.loop.run(2_000);
  for (const host of [a, b]) host.connect(peer.hit);
  t.true(world.until(() => [a, b].every((host) => host.links.isUp(peer.hit)), 10_000));
  network.loop.run(2_000);
  a.connect(b.hit);
  t.true(world.until(() => a.links.isUp(b.hit) && b.links.isUp(a.hit), 10_000));
  t.is(pathOf(a, b).via, peer.hit);
});

test('a relay that changes what it hands on delivers nothing of it, and the link ends', (t) => {
  const world = apart(t, 12);
  t.true(world.join());
  t.true(world.call());
  const { dataPlane } = world.peer;
  dataPlane.onForward = (datagram) => datagram.map((byte, i) => (i > 0 && i < 9 ? byte ^ 1 : byte));
  world.stream(world.a, world.b, 2_000);
  world.network.loop.run(90_000);
  t.deepEqual(payloads(world.b, world.a), []);
  t.true(world.b.events.some((event) => event.type === 'down' && event.hit === world.a.hit));
});

test('what a relay repeats for ever, instead of every fifth datagram, does no harm: the others come once and in order, and the link stays', (t) => {
  const world = apart(t, 13);
  t.true(world.join());
  t.true(world.call());
  const { dataPlane } = world.peer;
  const seen: Uint8Array[] = [];
  dataPlane.onForward = (datagram) => {
    // Checks, answers and packets of before.
    seen.push(datagram);
    return (seen.length % 5 === 0 ? seen[seen.length - 9] : undefined) ?? datagram;
  };
  world.stream(world.a, world.b, 60_000);
  world.network.loop.run(61_000);
  t.true(seen.length > 3_000, `${seen.length} handed on`);
  const came = payloads(world.b, world.a).map((payload) => Number(payload.split(' ')[1]));
  t.true(came.length >= 2_000, `${came.length} packets`);
  t.true(came.every((at, i) => i === 0 || at > (came[i - 1] ?? Infinity)));
  t.true(world.linked);
});
