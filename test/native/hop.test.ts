import test from 'ava';
import { addressToHit } from '../../src/base/node-id.ts';
import type { Hit } from '../../src/base/node-id.ts';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { Host, connect } from './support/host.ts';

const HITS = { a: '2001:20::a', b: '2001:20::b', relay: '2001:20::c' } as const;
const PLENTY = 100_000_000;

function hit(name: keyof typeof HITS): Hit {
  return addressToHit(HITS[name]);
}

/** Where `name` is, by whoever hands on. */
function by(name: keyof typeof HITS): SocketAddress {
  return { address: HITS[name], port: 0 };
}

/** `a` and `b` are linked with `relay`, and with nobody else. */
async function threeHosts(): Promise<{ a: Host; b: Host; relay: Host; close: () => void }> {
  const [a, b, relay] = [await Host.start(), await Host.start(), await Host.start()];
  for (const [name, host] of [['a', a] as const, ['b', b] as const, ['relay', relay] as const])
    host.plane.setLocalAddresses(hit(name), null);
  for (const [name, host] of [['a', a] as const, ['b', b] as const]) {
    const { clientLink, serverLink } = await connect(host, relay);
    host.plane.authorize(clientLink, hit('relay'), null);
    relay.plane.authorize(serverLink, hit(name), null);
  }
  relay.plane.setRelay(PLENTY);
  return { a, b, relay, close: () => [a, b, relay].forEach((host) => host.plane.close()) };
}

test('two hosts have a link of their own through a third, with nothing between them', async (t) => {
  const { a, b, relay, close } = await threeHosts();
  const server = b.plane.openLink('server');
  b.plane.setPath(server, by('relay'), by('a'));
  const client = a.plane.openLink('client');
  a.plane.setPath(client, by('relay'), by('b'));
  const [one, other] = await Promise.all([a.next('connected'), b.next('connected')]);
  t.deepEqual([one.link, other.link], [client, server]);
  t.deepEqual(one.exporter, other.exporter);
  const largest = Uint8Array.from({ length: 1120 }, (_, i) => (i === 0 ? 0x80 : i & 0xff));
  a.plane.sendRecord(client, largest);
  b.plane.sendRecord(server, Uint8Array.of(0x80, 2));
  t.deepEqual((await b.next('record')).data, largest);
  t.deepEqual((await a.next('record')).data, Uint8Array.of(0x80, 2));
  t.is(relay.counter('hopsForwarded'), a.counter('hopsSent') + b.counter('hopsSent'));
  t.is(relay.counter('recordsReceived'), 0);
  close();
});

test('STUN goes through a third host, and tells the HITs of the relay and of its sender', async (t) => {
  const { a, b, close } = await threeHosts();
  a.plane.sendDatagram(by('relay'), by('b'), Uint8Array.of(1, 2, 3));
  const { local, remote, data } = await b.next('stun');
  t.deepEqual([local.address, remote], [HITS.relay, by('a')]);
  t.deepEqual(data, Uint8Array.of(1, 2, 3));
  close();
});

test('a host that does not hand on drops what it is asked to, and an end without a link to it sends nothing', async (t) => {
  const { a, b, relay, close } = await threeHosts();
  relay.plane.setRelay(0);
  a.plane.sendDatagram(by('relay'), by('b'), Uint8Array.of(1));
  await relay.reached('dropHopRefused', 1);
  a.plane.sendDatagram(by('b'), by('relay'), Uint8Array.of(1));
  await a.reached('dropNoRelay', 1);
  t.is(b.counter('hopsReceived'), 0);
  t.deepEqual(b.events, []);
  close();
});

test('who closes all its links tells the peer behind a relay first', async (t) => {
  const { a, b, close } = await threeHosts();
  const server = b.plane.openLink('server');
  b.plane.setPath(server, by('relay'), by('a'));
  a.plane.setPath(a.plane.openLink('client'), by('relay'), by('b'));
  await b.next('connected');
  a.plane.close();
  t.is((await b.next('closed')).link, server);
  close();
});
