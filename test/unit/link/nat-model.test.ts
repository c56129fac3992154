import test from 'ava';
import type { Datagram } from '../../sim/network/datagram.ts';
import type { SimHost } from '../../sim/network/host.ts';
import { HOME_NAT, LINUX_NAT, SYMMETRIC_NAT } from '../../sim/network/nat.ts';
import type { Nat, NatBehaviour } from '../../sim/network/nat.ts';
import { SimNetwork } from '../../sim/network/network.ts';

const FIRST = { address: '203.0.113.1', port: 1_000 };
const SAME_ADDRESS = { address: '203.0.113.1', port: 2_000 };
const SECOND = { address: '203.0.113.2', port: 1_000 };
const HELLO = Uint8Array.of(1);

interface Lab {
  readonly network: SimNetwork;
  readonly nat: Nat;
  readonly inner: SimHost;
  /** What arrived inside. */
  readonly inside: Datagram[];
  /** What arrived outside, by address and port. */
  readonly outside: Datagram[];
  reply(from: typeof FIRST): void;
}

function lab(behaviour: NatBehaviour): Lab {
  const network = new SimNetwork(1);
  const { lan, nat } = network.home('home', '198.51.100.1', behaviour);
  const inner = network.host(lan, '10.0.0.2');
  const inside: Datagram[] = [];
  const outside: Datagram[] = [];
  inner.bind(6_084, (datagram) => inside.push(datagram));
  const servers = new Map(
    [FIRST, SECOND].map(({ address }) => [address, network.host(network.internet, address)] as const),
  );
  for (const { address, port } of [FIRST, SAME_ADDRESS, SECOND])
    servers.get(address)?.bind(port, (datagram) => outside.push(datagram));
  const reply = ({ address, port }: typeof FIRST): void => {
    const [first] = outside;
    if (first !== undefined) servers.get(address)?.send(null, port, first.source, HELLO);
    network.loop.run(100);
  };
  return { network, nat, inner, inside, outside, reply };
}

const INNER = { address: '10.0.0.2', port: 6_084 };

function sendTo(world: Lab, ...destinations: (typeof FIRST)[]): number[] {
  for (const destination of destinations) world.inner.send(null, 6_084, destination, HELLO);
  world.network.loop.run(100);
  return world.outside.map(({ source }) => source.port);
}

test('endpoint-independent mapping shows one port to all, and keeps the inner one', (t) => {
  t.deepEqual(sendTo(lab(HOME_NAT), FIRST, SAME_ADDRESS, SECOND), [6_084, 6_084, 6_084]);
});

test('address-dependent mapping shows one port to each address', (t) => {
  const ports = sendTo(lab({ ...HOME_NAT, mapping: 'address-dependent' }), FIRST, SAME_ADDRESS, SECOND);
  t.is(new Set(ports).size, 2);
});

test('address-and-port-dependent mapping shows one port to each endpoint', (t) => {
  t.is(new Set(sendTo(lab(SYMMETRIC_NAT), FIRST, SAME_ADDRESS, SECOND)).size, 3);
});

for (const [filtering, passing] of [
  ['endpoint-independent', 3],
  ['address-dependent', 2],
  ['address-and-port-dependent', 1],
] as const)
  test(`${filtering} filtering lets ${passing} of three remotes in`, (t) => {
    const world = lab({ ...HOME_NAT, filtering });
    sendTo(world, FIRST);
    for (const remote of [FIRST, SAME_ADDRESS, SECOND]) world.reply(remote);
    t.is(world.inside.length, passing);
  });

test('a mapping that is not used is forgotten', (t) => {
  const world = lab({ ...HOME_NAT, mappingTimeoutMs: 1_000 });
  sendTo(world, FIRST);
  world.network.loop.run(2_000);
  world.reply(FIRST);
  t.is(world.inside.length, 0);
});

test('a NAT that restarted lets nothing in that it does not know', (t) => {
  const network = new SimNetwork(2);
  const { lan, nat } = network.home('home', '198.51.100.1');
  const inner = network.host(lan, '10.0.0.2');
  const server = network.host(network.internet, FIRST.address);
  let inside = 0;
  inner.bind(6_084, () => (inside += 1));
  server.bind(FIRST.port, ({ source }) => server.send(null, FIRST.port, source, HELLO));
  inner.send(null, 6_084, FIRST, HELLO);
  network.loop.run(11.5);
  nat.reboot();
  network.loop.run(100);
  t.is(inside, 0);
});

test('a host that has left does not get what is on its way', (t) => {
  const world = lab(HOME_NAT);
  sendTo(world, FIRST);
  world.inner.unplug('10.0.0.2');
  world.reply(FIRST);
  t.is(world.inside.length, 0);
});

test('a Linux router shows the inner port to all, and filters by address and port', (t) => {
  const world = lab(LINUX_NAT);
  t.deepEqual(sendTo(world, FIRST, SAME_ADDRESS), [6_084, 6_084]);
  for (const remote of [FIRST, SAME_ADDRESS, SECOND]) world.reply(remote);
  t.is(world.inside.length, 2);
});

test('a Linux router forgets one mapping: the other remotes still get in', (t) => {
  const world = lab(LINUX_NAT);
  sendTo(world, FIRST, SAME_ADDRESS, SECOND);
  world.nat.forgetMapping(INNER, FIRST);
  for (const remote of [FIRST, SAME_ADDRESS, SECOND]) world.reply(remote);
  t.deepEqual(
    world.inside.map(({ source }) => source),
    [SAME_ADDRESS, SECOND],
  );
});

for (const [name, behaviour] of [
  ['home NAT', HOME_NAT],
  ['Linux router', LINUX_NAT],
] as const)
  test(`a ${name} forgets one mapping: nothing comes in by it until something goes out, and then it has the port that it had`, (t) => {
    const world = lab(behaviour);
    sendTo(world, FIRST);
    world.nat.forgetMapping(INNER, FIRST);
    world.reply(FIRST);
    t.is(world.inside.length, 0);
    t.is(sendTo(world, FIRST).at(-1), 6_084);
    world.reply(FIRST);
    t.is(world.inside.length, 1);
  });

test('a mapping that rebinds shows another port, and what comes to the old one is lost', (t) => {
  const world = lab(HOME_NAT);
  sendTo(world, FIRST);
  world.nat.rebind(INNER, FIRST);
  world.reply(FIRST);
  t.is(world.inside.length, 0);
  const port = sendTo(world, FIRST).at(-1);
  t.not(port, 6_084);
  t.is(sendTo(world, FIRST).at(-1), port);
});

test('a router that died carries nothing and says nothing, and goes on as it was', (t) => {
  const world = lab(HOME_NAT);
  sendTo(world, FIRST);
  world.nat.die();
  sendTo(world, SECOND);
  world.reply(FIRST);
  t.deepEqual([world.inside.length, world.outside.length], [0, 1]);
  world.nat.revive();
  world.reply(FIRST);
  t.is(world.inside.length, 1);
});

test('a router that lost its line has no address outside, and the hosts inside reach each other', (t) => {
  const world = lab(HOME_NAT);
  sendTo(world, FIRST);
  world.nat.loseLine();
  world.reply(FIRST);
  sendTo(world, SECOND);
  t.deepEqual([world.inside.length, world.outside.length], [0, 1]);
  t.true(world.network.flow.some((line) => line.includes('unroutable')));
  world.nat.reboot('198.51.100.9');
  sendTo(world, SECOND);
  t.is(world.outside.at(-1)?.source.address, '198.51.100.9');
});
