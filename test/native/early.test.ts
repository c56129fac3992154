import type { Agent } from './support/network.ts';
import { wholePacket } from './support/packets.ts';
import { onWire, until } from './support/on-wire.ts';

const PORT = 7001;
/** Too long for voice, which may overtake. */
const SIZES = Array.from({ length: 40 }, (_, i) => 700 + i);

function send(from: Agent, address: string, sizes: readonly number[] = SIZES): Promise<string[]> {
  return from.call<string[]>('sendUdp', address, PORT, sizes);
}

/** What programs at `to` have, once it is as much as was sent. */
async function received(to: Agent, count: number): Promise<string[]> {
  let digests: string[] = [];
  await until(async () => (digests = await to.call<string[]>('receivedUdp', PORT)).length >= count);
  return digests;
}

async function counted(agent: Agent, counter: string, least: number): Promise<void> {
  await until(async () => (await agent.counter(counter)) >= least);
}

onWire('packets that come before a link is authorized are delivered in order once it is', async (t, wire) => {
  const { a, b } = wire;
  await b.call('listenUdp', PORT);
  const links = await wire.link();
  await a.call('authorize', links.a, b.hit, b.ipv4);
  const sent = [...(await send(a, b.hit, SIZES.slice(0, 30))), ...(await send(a, b.ipv4, SIZES.slice(30)))];
  await counted(b, 'earlyHeld', sent.length);
  t.is(await b.counter('tunWrites'), 0);
  await b.call('authorize', links.b, a.hit, a.ipv4);
  t.deepEqual(await received(b, sent.length), sent);
  t.is(await b.counter('earlyReleased'), sent.length);
});

onWire(
  'of packets that come early, those from other inner addresses than the peer has are dropped',
  async (t, wire) => {
    const { a, b } = wire;
    const links = await wire.link();
    await a.call('authorize', links.a, b.hit, b.ipv4);
    // Whole packets: those that the data plane sends leave their addresses out.
    for (let i = 0; i < 3; i++) await a.call('sendRecord', links.a, wholePacket(a.hit, b.hit));
    for (let i = 0; i < 2; i++) await a.call('sendRecord', links.a, wholePacket(a.ipv4, b.ipv4));
    await counted(b, 'earlyHeld', 5);
    await b.call('authorize', links.b, '2001:20::bad', '198.18.0.99');
    await counted(b, 'dropInnerSource', 5);
    t.is(await b.counter('tunWrites'), 0);
  },
);

onWire('IPv4 packets wait for the claim of their sender while those to the HIT pass', async (t, wire) => {
  const { a, b } = wire;
  await b.call('listenUdp', PORT);
  const links = await wire.link();
  await a.call('authorize', links.a, b.hit, b.ipv4);
  const before = await send(a, b.ipv4, [1, 2]);
  await counted(b, 'earlyHeld', 2);
  await b.call('authorize', links.b, a.hit, null);
  const after = await send(a, b.ipv4, [3, 4]);
  const toHit = await send(a, b.hit, [5, 6]);
  t.deepEqual(await received(b, 2), toHit);
  await counted(b, 'earlyHeld', 4);
  await b.call('authorize', links.b, a.hit, a.ipv4);
  t.deepEqual(await received(b, 6), [...toHit, ...before, ...after]);
  t.is(await b.counter('dropEarlyExpired'), 0);
});

onWire('IPv4 packets of a peer without a claim are given up', async (t, wire) => {
  const { a, b } = wire;
  const links = await wire.link();
  await a.call('authorize', links.a, b.hit, b.ipv4);
  await b.call('authorize', links.b, a.hit, null);
  await send(a, b.ipv4, [1, 2, 3]);
  await counted(b, 'dropEarlyExpired', 3);
  await b.call('authorize', links.b, a.hit, a.ipv4);
  t.true(a.ping(b.ipv4));
  t.is(await b.counter('earlyReleased'), 0);
});

onWire('no more packets than the bound wait, and they go with their link', async (t, wire) => {
  const { a, b } = wire;
  const links = await wire.link();
  await a.call('authorize', links.a, b.hit, b.ipv4);
  await send(
    a,
    b.hit,
    Array.from({ length: 80 }, () => 10),
  );
  await counted(b, 'dropEarlyOverflow', 16);
  t.is(await b.counter('earlyHeld'), 64);
  await b.call('closeLink', links.b);
  await counted(b, 'dropEarlyClosed', 64);
  t.is(await b.counter('tunWrites'), 0);
});

onWire('packets that came early stay with their link when another one is opened to wait there', async (t, wire) => {
  const { a, b } = wire;
  await b.call('listenUdp', PORT);
  // b did not wait for it: the cookie makes a link of its own.
  const fromA = await a.call<number>('connect', 'client', b.outer);
  const { link } = await b.call<{ link: number }>('event', 'connected');
  await a.call('authorize', fromA, b.hit, b.ipv4);
  const sent = await send(a, b.hit);
  await counted(b, 'earlyHeld', sent.length);
  await b.call('expect', a.outer);
  await b.call('authorize', link, a.hit, a.ipv4);
  t.deepEqual(await received(b, sent.length), sent);
});
