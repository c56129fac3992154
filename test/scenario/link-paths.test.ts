import test from 'ava';
import { HOME_NAT, SYMMETRIC_NAT } from '../sim/network/nat.ts';
import { simHit, SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';

const LOSSY = { latencyMs: 15, jitterMs: 20, loss: 0.1, duplicate: 0.02 };

test('two hosts behind home NATs that met at a public peer are linked directly', (t) => {
  const world = new ThreeHosts(t, 1);
  t.true(world.join());
  t.true(world.call());
  const [link] = world.a.links.snapshot().links.filter(({ hit }) => hit === world.b.hit);
  t.like(link, { state: 'up', handshakes: 1, path: { remote: { address: '198.51.100.2', port: 6084 } } });
  t.is(world.b.dataPlane.linkCounters(world.linkId(world.b, world.a) ?? 0)?.handshakes, 1);
});

test('two hosts behind home NATs are linked, each with twenty more addresses that lead nowhere', (t) => {
  const world = new ThreeHosts(t, 9);
  for (const { host } of [world.a, world.b])
    for (let i = 1; i <= 20; i++) host.plug(world.network.segment(`bridge-${i}`), `172.17.${i}.1`);
  t.true(world.join());
  t.true(world.call());
  const [link] = world.a.links.snapshot().links.filter(({ hit }) => hit === world.b.hit);
  t.like(link?.path, { remote: { address: '198.51.100.2', port: 6084 } });
});

test('packets that wait for a link arrive in order once it is up', (t) => {
  const world = new ThreeHosts(t, 2);
  t.true(world.join());
  for (let i = 0; i < 5; i++) world.a.sendPacket(world.b.hit, `packet ${i}`);
  t.true(world.call());
  t.deepEqual(
    world.b.dataPlane.delivered.map(({ payload }) => payload),
    [0, 1, 2, 3, 4].map((i) => `packet ${i}`),
  );
});

test('a link that is up has a path to send on at once, at both ends, also before ICE has nominated its pair', (t) => {
  const world = new ThreeHosts(t, 7);
  t.true(world.join());
  const paths: unknown[] = [];
  for (const [node, other] of [
    [world.a, world.b],
    [world.b, world.a],
  ] as const)
    node.onUp = (hit) => {
      if (hit === other.hit) paths.push(node.links.snapshot().links.find((link) => link.hit === hit)?.path?.remote);
    };
  t.true(world.call());
  t.is(paths.length, 2);
  t.true(paths.every((remote) => remote !== undefined));
});

for (const filtering of ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const)
  test(`NATs with endpoint-independent mapping and ${filtering} filtering are crossed`, (t) => {
    const nat = { ...HOME_NAT, filtering, portPreservation: false };
    const world = new ThreeHosts(t, 3, { natA: nat, natB: nat });
    t.true(world.join());
    t.true(world.call());
  });

test('a symmetric NAT is crossed towards a NAT with address-dependent filtering', (t) => {
  const world = new ThreeHosts(t, 4, {
    natA: SYMMETRIC_NAT,
    natB: { ...HOME_NAT, filtering: 'address-dependent' },
  });
  t.true(world.join());
  t.true(world.call());
});

test('between two symmetric NATs there is no path, and both sides are told', (t) => {
  const world = new ThreeHosts(t, 5, { natA: SYMMETRIC_NAT, natB: SYMMETRIC_NAT });
  t.true(world.join());
  world.a.connect(world.b.hit);
  world.network.loop.run(40_000);
  t.false(world.linked);
  t.true(world.a.events.some((event) => event.type === 'down' && event.hit === world.b.hit));
  t.true(world.b.events.some((event) => event.type === 'down' && event.hit === world.a.hit));
  t.is(world.a.links.snapshot().links.length, 1);
});

for (const seed of [11, 12, 13, 14, 15, 16])
  test(`a link comes up over a network that loses a tenth and reorders (seed ${seed})`, (t) => {
    const world = new ThreeHosts(t, seed, { internet: LOSSY });
    t.true(world.join());
    t.true(world.call());
    t.is(world.handshakes(world.a, world.b), 1);
  });

test('two hosts of one home are linked inside of it', (t) => {
  const world = new ThreeHosts(t, 6);
  const c = new SimNode(world.network, world.network.host(world.thirdHome, '10.0.0.7'), simHit(4), world.overlay);
  const d = new SimNode(world.network, world.network.host(world.thirdHome, '10.0.0.8'), simHit(5), world.overlay);
  c.dial(world.peer);
  d.dial(world.peer);
  world.network.loop.run(1_000);
  c.connect(d.hit);
  t.true(world.until(() => c.links.isUp(d.hit) && d.links.isUp(c.hit), 5_000));
  world.network.loop.run(1_000);
  const [link] = c.links.snapshot().links.filter(({ hit }) => hit === d.hit);
  t.like(link, { state: 'up', path: { type: 'host', remote: { address: '10.0.0.8' } } });
});

test('both ends that offer at the same moment end with one link', (t) => {
  for (let seed = 20; seed < 30; seed++) {
    const world = new ThreeHosts(t, seed);
    t.true(world.join());
    world.a.connect(world.b.hit);
    world.b.connect(world.a.hit);
    t.true(
      world.until(() => world.linked, 60_000),
      `seed ${seed}`,
    );
    world.network.loop.run(40_000);
    t.true(world.linked, `seed ${seed}`);
    t.is(world.a.links.snapshot().links.filter(({ hit }) => hit === world.b.hit).length, 1);
  }
});

test('a host that dials while the other one calls it through the overlay ends with one association', (t) => {
  for (let seed = 40; seed < 52; seed++) {
    const world = new ThreeHosts(t, seed, { internet: { latencyMs: 10, jitterMs: 15 } });
    const { network } = world;
    const q = new SimNode(network, network.host(network.internet, '203.0.113.2'), simHit(6), world.overlay);
    t.true(world.join());
    q.dial(world.peer);
    network.loop.run(1_000);
    world.a.dial(q);
    network.loop.run(network.random.float() * 60);
    q.connect(world.a.hit);
    network.loop.run(20_000);
    t.true(q.links.isUp(world.a.hit) && world.a.links.isUp(q.hit), `seed ${seed}`);
    t.is(q.links.snapshot().links.filter(({ hit }) => hit === world.a.hit).length, 1);
    t.is(q.count('down') + world.a.count('down'), 0, `seed ${seed}`);
    q.sendPacket(world.a.hit, 'there');
    world.a.sendPacket(q.hit, 'back');
    network.loop.run(100);
    t.is(world.a.dataPlane.delivered.at(-1)?.payload, 'there');
    t.is(q.dataPlane.delivered.at(-1)?.payload, 'back');
  }
});

test('a dial towards nobody fails once, and says so', (t) => {
  const world = new ThreeHosts(t, 7);
  world.a.input(() => {
    world.a.links.connectDirect({ address: '203.0.113.99', port: 6084 }, world.a.now);
    world.a.links.connectDirect({ address: '203.0.113.99', port: 6084 }, world.a.now);
  });
  world.network.loop.run(60_000);
  t.deepEqual(
    world.a.events.map(({ type }) => type),
    ['connectFailed'],
  );
});

test('a dial that reaches another host than expected is refused', (t) => {
  const world = new ThreeHosts(t, 8);
  world.a.input(() => world.a.links.connectDirect({ address: '203.0.113.1', port: 6084 }, world.a.now, simHit(9)));
  world.network.loop.run(5_000);
  t.like(world.a.events, [{ type: 'connectFailed' }]);
  t.false(world.a.links.isUp(simHit(1)));
  t.false(world.peer.links.isUp(world.a.hit));
});

const NAT64 = { address: '64:ff9b::', length: 96 };

for (const calls of [true, false])
  test(`a host without IPv4, behind a NAT64, is linked directly with one behind an IPv4 home NAT, ${calls ? 'which it calls' : 'which calls it'}`, (t) => {
    const world = new ThreeHosts(t, 61);
    const { network, overlay, peer } = world;
    const { lan } = network.home('mobile', '198.51.100.9', { ...HOME_NAT, nat64: NAT64 });
    world.a = new SimNode(network, network.host(lan, '2001:db8:a::10'), simHit(9), overlay);
    world.a.links.addresses.setNat64(NAT64);
    t.true(world.join());
    // What others are told of the peer, and what is remembered, is good outside of this network too.
    t.deepEqual(world.a.links.remoteOf(peer.hit), { address: '203.0.113.1', port: peer.dataPlane.port });
    if (calls) world.a.connect(world.b.hit);
    else world.b.connect(world.a.hit);
    t.true(world.until(() => world.linked, 5_000));
    world.network.loop.run(2_000);
    const path = world.a.links.snapshot().links.find(({ hit }) => hit === world.b.hit)?.path;
    t.is(path?.remote.address, '64:ff9b::c633:6402');
    const begun = network.loop.now;
    world.stream(world.a, world.b, 1_000);
    world.stream(world.b, world.a, 1_000);
    network.loop.run(2_000);
    t.true(world.gap(world.b, world.a, begun) < 100);
    t.true(world.gap(world.a, world.b, begun) < 100);
  });

test('a second uplink of the peer, told of inside the link: a host behind a NAT64 checks it by the NAT64', (t) => {
  const world = new ThreeHosts(t, 63);
  const { network, overlay } = world;
  const { lan } = network.home('mobile', '198.51.100.9', { ...HOME_NAT, nat64: NAT64 });
  world.a = new SimNode(network, network.host(lan, '2001:db8:a::10'), simHit(9), overlay);
  world.a.links.addresses.setNat64(NAT64);
  t.true(world.join());
  t.true(world.call());
  world.stream(world.a, world.b, 4_000);
  world.stream(world.b, world.a, 4_000);
  const checked: string[] = [];
  const send = world.a.dataPlane.sendDatagram.bind(world.a.dataPlane);
  world.a.dataPlane.sendDatagram = (local, remote, data) => {
    checked.push(remote.address);
    send(local, remote, data);
  };
  world.b.host.plug(world.thirdHome, '10.0.3.9');
  network.loop.run(3_000);
  // 198.51.100.3 is the router of the third home.
  t.true(checked.includes('64:ff9b::c633:6403'), [...new Set(checked)].join(' '));
  t.false(checked.some((address) => !address.includes(':')));
});

test('a host with IPv4 of its own does not go by the NAT64', (t) => {
  const world = new ThreeHosts(t, 62);
  world.a.links.addresses.setNat64(NAT64);
  t.true(world.join());
  const { path } = world.a.links.snapshot().links[0] ?? {};
  t.is(path?.remote.address, '203.0.113.1');
});
