import { release } from 'node:os';
import type { InterfaceAddress } from '../../src/native/data-plane.ts';
import { wholePacket } from './support/packets.ts';
import { ip } from './support/network.ts';
import { onWire, until } from './support/on-wire.ts';

const [MAJOR = 0, MINOR = 0] = release().split('.').map(Number);
/** Several datagrams in one write (TUN_F_USO4, TUN_F_USO6). */
const TUN_TAKES_UDP = MAJOR > 6 || (MAJOR === 6 && MINOR >= 2);

onWire(
  'programs reach the other host by its HIT and by its IPv4 address, with packets of every size',
  async (t, wire) => {
    await wire.linkAndAuthorize();
    for (const address of [wire.b.hit, wire.b.ipv4])
      for (const size of ['0', '1', '56', '1352', '5000', '20000'])
        t.true(wire.a.ping(address, '-s', size), `${address} with ${size} bytes`);
    t.is(await wire.a.counter('dropMalformedPacket'), 0);
  },
);

onWire('TCP carries every byte both ways, over both families', async (t, wire) => {
  await wire.linkAndAuthorize();
  const port = 7001;
  await wire.b.call('listenTcp', port);
  await wire.a.call('listenTcp', port);
  for (const bytes of [1, 1340, 40_000_001]) {
    t.is(await wire.a.call('sendTcp', wire.b.hit, port, bytes), true, `IPv6, ${bytes} bytes`);
    t.is(await wire.b.call('sendTcp', wire.a.ipv4, port, bytes), true, `IPv4, ${bytes} bytes`);
  }
  // Several flows at once through one data plane.
  const flows = await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      wire.a.call('sendTcp', i % 2 === 0 ? wire.b.hit : wire.b.ipv4, port, 5_000_003),
    ),
  );
  t.deepEqual(
    flows,
    flows.map(() => true),
  );
  const counters = await wire.b.call<Record<string, number>>('counters');
  t.is(counters['dropBadRecord'], 0);
  t.is(counters['dropTunWrite'], 0);
  // Segments are joined before programs see them.
  t.true((counters['tunWrites'] ?? 0) < (counters['packetsIn'] ?? 0));
});

onWire('UDP datagrams arrive whole and in order, those larger than the MTU too', async (t, wire) => {
  await wire.linkAndAuthorize();
  const port = 7002;
  await wire.b.call('listenUdp', port);
  const sizes = [0, 1, 1200, 1200, 1200, 700, 1352, 1353, 4000, 9000, 30_000, 100, 100];
  const sent: string[] = [];
  for (const address of [wire.b.hit, wire.b.ipv4]) {
    sent.push(...(await wire.a.call<string[]>('sendUdp', address, port, sizes)));
    let received: string[] = [];
    await until(async () => (received = await wire.b.call<string[]>('receivedUdp', port)).length >= sent.length);
    t.deepEqual(received, sent);
  }
});

onWire('datagrams that come at once are few writes to the TUN, and the program receives each', async (t, wire) => {
  await wire.linkAndAuthorize();
  const port = 7010;
  await wire.b.call('listenUdp', port);
  // Not all alike, and too large for voice, which may overtake.
  const sizes = [780, 780, 760, 780, 800, 800, 800, 790, 800, 800];
  const sent: string[] = [];
  const counters = async (): Promise<Record<string, number>> => wire.b.call('counters');
  for (const address of [wire.b.hit, wire.b.ipv4]) {
    const before = await counters();
    const left = (await wire.a.counter('packetsOut')) + sizes.length;
    await wire.b.freeze();
    sent.push(...(await wire.a.call<string[]>('sendUdp', address, port, sizes)));
    await until(async () => (await wire.a.counter('packetsOut')) >= left);
    wire.b.thaw();
    let received: string[] = [];
    await until(async () => (received = await wire.b.call<string[]>('receivedUdp', port)).length >= sent.length);
    t.deepEqual(received, sent);
    const after = await counters();
    const more = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
    t.is(more('dropTunWrite'), 0);
    if (TUN_TAKES_UDP) t.true(more('tunWrites') < more('packetsIn'), `${more('tunWrites')} of ${more('packetsIn')}`);
  }
});

onWire('packets to a host without a link wait and leave in order once there is one', async (t, wire) => {
  const port = 7003;
  await wire.b.call('listenUdp', port);
  const sizes = Array.from({ length: 40 }, (_, i) => 700 + i);
  const sent = await wire.a.call<string[]>('sendUdp', wire.b.hit, port, sizes);
  t.deepEqual(await wire.a.call('event', 'miss'), { type: 'miss', address: wire.b.hit });
  await wire.linkAndAuthorize();
  let received: string[] = [];
  await until(async () => (received = await wire.b.call<string[]>('receivedUdp', port)).length >= sent.length);
  t.deepEqual(received, sent);
  const counters = await wire.a.call<Record<string, number>>('counters');
  t.is(counters['packetsReleased'], sent.length);
  t.is(counters['misses'], 1);
});

onWire('more packets than the bound are dropped while they wait', async (t, wire) => {
  await wire.a.call(
    'sendUdp',
    wire.b.ipv4,
    7004,
    Array.from({ length: 80 }, () => 10),
  );
  await until(async () => (await wire.a.counter('packetsHeld')) + (await wire.a.counter('dropHeldOverflow')) >= 80);
  t.is(await wire.a.counter('packetsHeld'), 64);
  t.is(await wire.a.counter('dropHeldOverflow'), 16);
});

onWire('a refused address is reported to the program at once, and the next packet asks again', async (t, wire) => {
  for (const address of [wire.b.hit, wire.b.ipv4]) {
    const failed = wire.a.call('sendTcp', address, 7005, 1);
    await wire.a.call('event', 'miss');
    await wire.a.call('refuse', address);
    t.is(await failed, 'EHOSTUNREACH', address);
    const again = wire.a.call('sendTcp', address, 7005, 1);
    await wire.a.call('event', 'miss');
    await wire.a.call('refuse', address);
    t.is(await again, 'EHOSTUNREACH', address);
  }
});

onWire('whole packets pass too, but not with an inner source that is not the peer', async (t, wire) => {
  const { a, b } = wire;
  const links = await wire.linkAndAuthorize();
  const pairs = [
    [a.hit, b.hit],
    [a.ipv4, b.ipv4],
  ] as const;
  for (const [source, destination] of pairs) await a.call('sendRecord', links.a, wholePacket(source, destination));
  await until(async () => (await b.counter('tunWrites')) >= pairs.length);
  const others = ['2001:20::bad', '198.18.0.99', b.hit, b.ipv4, '2001:21::a', '198.18.0.3'];
  for (const source of others)
    await a.call('sendRecord', links.a, wholePacket(source, source.includes(':') ? b.hit : b.ipv4));
  await until(async () => (await b.counter('dropInnerSource')) >= others.length);
  t.is(await b.counter('packetsIn'), pairs.length);
  t.is(await b.counter('tunWrites'), pairs.length);
});

onWire('packets that do not come from our own address, or not to it, are dropped', async (t, wire) => {
  const { a, b } = wire;
  const links = await wire.linkAndAuthorize();
  await a.call('setLocalAddresses', '2001:20::c', null);
  t.false(a.ping(b.hit, '-W', '1'));
  t.is(await a.counter('dropForeignSource'), 1);
  for (const [source, destination] of [
    [a.hit, '2001:20::c'],
    [a.hit, a.hit],
    [a.ipv4, '198.18.0.3'],
  ] as const)
    await a.call('sendRecord', links.a, wholePacket(source, destination));
  await until(async () => (await b.counter('dropInnerDestination')) >= 3);
  // Nobody here has an IPv4 address: there is no destination to put back.
  await b.call('setLocalAddresses', b.hit, null);
  await a.call('setLocalAddresses', a.hit, a.ipv4);
  t.false(a.ping(b.ipv4, '-W', '1'));
  t.is(await b.counter('dropInnerDestination'), 4);
  t.is(await b.counter('tunWrites'), 0);
});

onWire('changes of the network are told, and addresses and routes are what the kernel says', async (t, wire) => {
  const { a } = wire;
  ip('-n', a.namespace, 'address', 'add', '10.99.7.1/24', 'dev', 'veth0');
  await a.call('event', 'network');
  const addresses = await a.call<InterfaceAddress[]>('addresses');
  t.deepEqual(
    addresses.find((entry) => entry.address === '10.99.7.1'),
    {
      interfaceName: 'veth0',
      address: '10.99.7.1',
      prefixLength: 24,
      usable: true,
      deprecated: false,
      loopback: false,
      kind: 'veth',
      portKinds: [],
    },
  );
  ip('-n', a.namespace, 'address', 'add', '2001:db8:7::1/64', 'dev', 'veth0', 'nodad', 'preferred_lft', '0');
  t.like(
    (await a.call<InterfaceAddress[]>('addresses')).find((entry) => entry.address === '2001:db8:7::1'),
    { usable: true, deprecated: true },
  );
  ip('-n', a.namespace, 'link', 'add', 'br0', 'type', 'bridge');
  ip('-n', a.namespace, 'address', 'add', '10.99.8.1/24', 'dev', 'br0');
  const bridge = async (): Promise<InterfaceAddress | undefined> =>
    (await a.call<InterfaceAddress[]>('addresses')).find((entry) => entry.interfaceName === 'br0');
  t.like(await bridge(), { kind: 'bridge', portKinds: [] });
  ip('-n', a.namespace, 'link', 'add', 'port0', 'type', 'veth', 'peer', 'name', 'port1');
  ip('-n', a.namespace, 'link', 'set', 'port0', 'master', 'br0');
  t.like(await bridge(), { kind: 'bridge', portKinds: ['veth'] });
  t.true(addresses.some((entry) => entry.interfaceName === 'idloc0' && entry.address === a.hit && entry.usable));
  t.true(addresses.some((entry) => entry.address === '::1' && entry.loopback));
  t.is(await a.call('sourceFor', '10.99.7.2'), '10.99.7.1');
  t.is(await a.call('sourceFor', '203.0.113.1'), null);
  await a.call('setRoute', { destination: '203.0.113.0/24', interfaceName: 'idloc0', metric: 10 });
  t.is(await a.call('sourceFor', '203.0.113.1'), a.ipv4);
  await a.call('deleteRoute', { destination: '203.0.113.0/24', interfaceName: 'idloc0', metric: 10 });
  t.is(await a.call('sourceFor', '203.0.113.1'), null);
  for (const destination of ['2001:20::/28', '203.0.113.0/24']) {
    await a.call('setRoute', { destination, metric: 5000 });
    await a.call('setRoute', { destination, metric: 5000 });
    await a.call('deleteRoute', { destination, metric: 5000 });
  }
  await t.throwsAsync(a.call('setRoute', { destination: '203.0.113.0/24', interfaceName: 'nothing0', metric: 1 }), {
    message: /check the interface/,
  });
});

onWire(
  'what someone does to the TUN, its addresses and the routes of its ranges is told, and routes of others are not',
  async (t, wire) => {
    const { a } = wire;
    const own = (...args: string[]): void => ip('-n', a.namespace, ...args);
    const state = { up: true, mtu: 1400 };
    t.deepEqual(await a.call('interfaceState', 'idloc0'), state);
    t.is(await a.call('interfaceState', 'nothing0'), null);
    // What there is already is not added, and not told.
    const guard = { destination: '198.18.0.0/15', metric: 4_000_000 };
    const ofPrefix = { destination: '2001:20::/28', interfaceName: 'idloc0', metric: 256 };
    t.true(await a.call('addRoute', guard));
    t.false(await a.call('addRoute', guard));
    t.false(await a.call('addRoute', ofPrefix));
    // Nothing more changes by itself.
    await until(async () =>
      (await a.call<InterfaceAddress[]>('addresses')).some(
        ({ interfaceName, address, usable }) => interfaceName === 'veth0' && address.startsWith('fe80:') && usable,
      ),
    );
    const takeAll = async (type: string): Promise<number> => {
      const count = await a.call<number>('eventCount', type);
      for (let i = 0; i < count; i++) await a.call('event', type);
      return count;
    };
    /** A change of the host, told in the same way, comes after all before it. */
    const settled = async (): Promise<number> => {
      await takeAll('network');
      for (const verb of ['add', 'delete']) {
        own('route', verb, '203.0.113.0/24', 'dev', 'veth0');
        await a.call('event', 'network');
      }
      return takeAll('tunChanged');
    };
    await settled();
    t.is(await settled(), 0);

    for (const changes of [
      ['link', 'set', 'idloc0', 'mtu', '1300'],
      ['address', 'delete', `${a.ipv4}/15`, 'dev', 'idloc0'],
      ['-6', 'route', 'delete', '2001:20::/28', 'dev', 'idloc0'],
      ['route', 'flush', 'proto', 'static'],
      ['link', 'set', 'idloc0', 'down'],
    ]) {
      own(...changes);
      t.deepEqual(await a.call('event', 'tunChanged'), { type: 'tunChanged' });
      await settled();
    }
    own('route', 'add', 'unreachable', '203.0.113.7');
    t.is(await settled(), 0);
    t.deepEqual(await a.call('interfaceState', 'idloc0'), { up: false, mtu: 1300 });
    t.true(await a.call('addRoute', guard));
  },
);

onWire('a TUN that someone else deletes is told once, and links go on', async (t, wire) => {
  const links = await wire.linkAndAuthorize();
  ip('-n', wire.a.namespace, 'link', 'delete', 'idloc0');
  t.deepEqual(await wire.a.call('event', 'tunLost'), { type: 'tunLost' });
  await wire.a.call('closeLink', links.a);
  await wire.b.call('event', 'closed');
  await wire.link();
  t.is(await wire.a.counter('tunLost'), 1);
});
