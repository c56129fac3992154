import test from 'ava';
import type { Datagram } from '../../sim/network/datagram.ts';
import type { SimHost } from '../../sim/network/host.ts';
import type { Nat } from '../../sim/network/nat.ts';
import { SimNetwork } from '../../sim/network/network.ts';
import type { Segment } from '../../sim/network/segment.ts';
import { sendByUplink } from '../../sim/network/uplink-sockets.ts';

const SERVER = { address: '203.0.113.1', port: 1_000 };
const HELLO = Uint8Array.of(1);

interface Lab {
  readonly network: SimNetwork;
  readonly host: SimHost;
  readonly wired: { readonly lan: Segment; readonly nat: Nat };
  readonly wireless: { readonly lan: Segment; readonly nat: Nat };
  /** Sends, and tells by which NAT's address it came to the server; undefined: by none. */
  from: (source: string | null, device?: string) => string | undefined;
  /** As the data plane sends. */
  byRule: (source: string | null) => string | undefined;
}

/** A host with two uplinks, the wired one first, and a server. */
function lab(): Lab {
  const network = new SimNetwork(1);
  const wired = network.home('eth0', '198.51.100.1');
  const wireless = network.home('wlan0', '198.51.100.2');
  const host = network.host(wired.lan, '10.0.1.2');
  host.plug(wireless.lan, '10.0.2.2');
  const got: Datagram[] = [];
  network.host(network.internet, SERVER.address).bind(SERVER.port, (datagram) => got.push(datagram));
  const arrived = (sends: () => void): string | undefined => {
    got.length = 0;
    sends();
    network.loop.run(100);
    return got[0]?.source.address;
  };
  return {
    ...{ network, host, wired, wireless },
    from: (source, device) => arrived(() => host.send(source, 6_084, SERVER, HELLO, device)),
    byRule: (source) => arrived(() => sendByUplink(host, { local: source, port: 6_084 }, SERVER, HELLO)),
  };
}

test('of two default routes the one with the lower metric is taken, and its interface gives the source address', (t) => {
  const { host, from } = lab();
  t.deepEqual(host.uplinks, ['eth0', 'wlan0']);
  t.deepEqual(host.addresses, ['10.0.1.2', '10.0.2.2']);
  t.is(from(null), '198.51.100.1');
  host.setDefaultRoute('wlan0', 50);
  t.deepEqual(host.uplinks, ['wlan0', 'eth0']);
  t.deepEqual(host.addresses, ['10.0.2.2', '10.0.1.2']);
  t.is(from(null), '198.51.100.2');
});

test('a source address does not choose the uplink, and the router of the one that the route chooses drops it', (t) => {
  const { network, from } = lab();
  t.is(from('10.0.2.2'), undefined);
  t.true(network.flow.some((line) => line.includes('eth0 sent 10.0.2.2:6084 ->')));
  t.false(network.flow.some((line) => line.includes('wlan0')));
});

test('a socket that is bound to a device leaves by it', (t) => {
  const { from } = lab();
  t.is(from('10.0.2.2', 'wlan0'), '198.51.100.2');
  t.is(from(null, 'wlan0'), '198.51.100.2');
  t.is(from(null, 'eth0'), '198.51.100.1');
});

test('with two uplinks the local address of the data plane chooses one, with one alone the kernel routes', (t) => {
  const { host, byRule } = lab();
  t.is(byRule('10.0.1.2'), '198.51.100.1');
  t.is(byRule('10.0.2.2'), '198.51.100.2');
  t.is(byRule(null), '198.51.100.1');
  host.moveDefaultRoute('wlan0');
  t.is(byRule(null), '198.51.100.2');
  t.is(byRule('10.0.1.2'), undefined, 'the address is still there, and the only way out is not its own');
});

test('a near network is reached directly, whatever the metric of the default route, and by a source of another interface too', (t) => {
  const { network, host, wireless } = lab();
  const near = network.host(wireless.lan, '10.0.2.7');
  const sources: string[] = [];
  near.bind(5_000, ({ source }) => sources.push(source.address));
  for (const source of [null, '10.0.1.2'])
    t.true(host.send(source, 6_084, { address: '10.0.2.7', port: 5_000 }, HELLO));
  network.loop.run(10);
  t.deepEqual(sources, ['10.0.2.2', '10.0.1.2']);
});

test('a datagram for any of its addresses is taken from whichever interface it comes', (t) => {
  const { network, host, wired, wireless } = lab();
  const near = network.host(wireless.lan, '10.0.2.7');
  const got: string[] = [];
  host.bind(6_084, ({ destination }) => got.push(destination.address));
  near.send(null, 5_000, { address: '10.0.2.2', port: 6_084 }, HELLO);
  wired.lan.send({ source: SERVER, destination: { address: '10.0.1.2', port: 6_084 }, data: HELLO });
  network.loop.run(10);
  t.deepEqual(got, ['10.0.2.2', '10.0.1.2']);
});

test('nothing leaves without a route, by a device without one, or from an address that is gone', (t) => {
  const { network, host } = lab();
  const send = (source: string | null, device?: string): boolean => host.send(source, 6_084, SERVER, HELLO, device);
  host.unplug('10.0.1.2');
  t.false(send('10.0.1.2'));
  t.true(send(null));
  host.setDefaultRoute('wlan0', null);
  t.false(send(null));
  t.false(send('10.0.2.2', 'wlan0'));
  host.plug(network.segment('bridge'), '172.17.0.1');
  t.deepEqual(host.uplinks, []);
  t.false(send(null));
});

test('an address reaches what its interface has a route to: far away by a default route only, near by without', (t) => {
  const { network, host } = lab();
  host.plug(network.internet, '2001:db8:1::2');
  host.setDefaultRoute('eth0', null);
  const reaches = (local: string, ...remotes: string[]): boolean[] =>
    remotes.map((remote) => host.reaches(local, remote));
  t.deepEqual(reaches('10.0.1.2', '10.0.1.9', '10.0.2.9', SERVER.address, '2001:db8:1::1'), [
    true,
    false,
    false,
    false,
  ]);
  t.deepEqual(reaches('10.0.2.2', '10.0.1.9', '10.0.2.9', SERVER.address), [true, true, true]);
  t.deepEqual(reaches('2001:db8:1::2', '2001:db8:1::1', '2001:db8:9::1', SERVER.address), [true, true, false]);
  t.deepEqual(reaches('10.0.3.2', '10.0.3.9'), [false]);
});

test('the families are routed apart: no IPv6 address, no way to IPv6', (t) => {
  const { network, host } = lab();
  const v6 = { address: '2001:db8::1', port: 1_000 };
  network.host(network.internet, v6.address);
  t.false(host.send(null, 6_084, v6, HELLO));
  t.false(host.send('10.0.1.2', 6_084, v6, HELLO));
  host.plug(network.internet, '2001:db8:1::2');
  t.true(host.send(null, 6_084, v6, HELLO));
});

test('a deprecated address is no source as long as the interface has another one', (t) => {
  const network = new SimNetwork(1);
  const host = network.host(network.internet, '203.0.113.2');
  host.plug(network.internet, '203.0.113.3');
  const sources: string[] = [];
  network.host(network.internet, SERVER.address).bind(SERVER.port, ({ source }) => sources.push(source.address));
  const send = (): void => {
    host.send(null, 6_084, SERVER, HELLO);
    network.loop.run(100);
  };
  send();
  host.deprecate('203.0.113.2');
  send();
  host.unplug('203.0.113.3');
  send();
  t.deepEqual(sources, ['203.0.113.2', '203.0.113.3', '203.0.113.2']);
});

test('the Internet drops what comes from an address that it has given to another', (t) => {
  const network = new SimNetwork(1);
  const host = network.host(network.internet, '203.0.113.2');
  host.plug(network.internet, '203.0.113.3', 'second');
  let arrived = 0;
  network.host(network.internet, SERVER.address).bind(SERVER.port, () => (arrived += 1));
  host.send('203.0.113.3', 6_084, SERVER, HELLO);
  network.loop.run(100);
  t.is(arrived, 0);
  host.send('203.0.113.3', 6_084, SERVER, HELLO, 'second');
  network.loop.run(100);
  t.is(arrived, 1);
});

test('what is longer than the MTU of a segment is lost without a word, headers counted', (t) => {
  const network = new SimNetwork(1, { latencyMs: 1, mtu: 1_200 });
  const host = network.host(network.internet, '203.0.113.2');
  host.plug(network.internet, '2001:db8::2');
  const lengths: number[] = [];
  for (const address of [SERVER.address, '2001:db8::1'])
    network.host(network.internet, address).bind(SERVER.port, ({ data }) => lengths.push(data.length));
  for (const length of [1_152, 1_153, 1_172, 1_173])
    for (const address of [SERVER.address, '2001:db8::1'])
      t.true(host.send(null, 6_084, { address, port: SERVER.port }, new Uint8Array(length)));
  network.loop.run(100);
  t.deepEqual(lengths, [1_152, 1_152, 1_153, 1_172]);
});
