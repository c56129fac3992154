import type { ExecutionContext } from 'ava';
import type { Wire, WireLinkOptions } from './support/network.ts';
import { onWire, until } from './support/on-wire.ts';

const NARROW = 1280;
const TCP_PORT = 7001;
const UDP_PORT = 7002;
const TCP_BYTES = 3_000_001;
/** Looks in a row at which a count is the same: longer than until the next probe. */
const SETTLED = 50;

/** Both families, all sizes: nothing is lost, and no datagram is too large for the wire. */
async function carriesEverything(t: ExecutionContext, { a, b }: Wire): Promise<void> {
  await b.call('listenTcp', TCP_PORT);
  await b.call('listenUdp', UDP_PORT);
  let sent: string[] = [];
  for (const address of [b.hit, b.ipv4]) {
    // The first datagrams of their kind: nobody could know the path MTU yet.
    sent = [...sent, ...(await a.call<string[]>('sendUdp', address, UDP_PORT, [2400, 1300, 1190, 1240, 9000, 60_000]))];
    let received: string[] = [];
    await until(async () => (received = await b.call<string[]>('receivedUdp', UDP_PORT)).length >= sent.length);
    t.deepEqual(received, sent);
    t.is(await a.call('sendTcp', address, TCP_PORT, TCP_BYTES), true, `TCP to ${address}`);
    for (const size of ['1150', '1186', '1187', '1200', '1220', '1280', '1352', '5000'])
      for (const time of ['first', 'second'])
        t.true(a.ping(address, '-s', size), `${address} with ${size} bytes, the ${time} time`);
  }
  for (const option of [['-R'], ['-T', 'tsonly']]) t.true(a.ping(b.ipv4, '-s', '1190', ...option), option.join(' '));
  for (const agent of [a, b]) {
    const counters = await agent.call<Record<string, number>>('counters');
    t.is(counters['udpSendErrors'], 0);
    t.true((counters['packetsFragmented'] ?? 0) > 0);
  }
  t.true((await a.counter('tooBigSent')) > 0);
}

for (const family of [4, 6] as const)
  onWire(`a path of 1280 bytes over IPv${family} carries everything at the first try`, async (t, wire) => {
    wire.setMtu(NARROW);
    await wire.linkAndAuthorize({ family, pathMtu: NARROW });
    await carriesEverything(t, wire);
  });

async function linkOf(t: ExecutionContext, wire: Wire, options: WireLinkOptions): Promise<{ a: number; b: number }> {
  const links = await wire.linkAndAuthorize(options);
  t.is(await wire.a.counter('udpSendErrors'), 0);
  return links;
}

onWire('a packet of just the path MTU goes in one piece, one byte more in two', async (t, wire) => {
  const { a, b } = wire;
  wire.setMtu(1400);
  await linkOf(t, wire, { pathMtu: 1400 });
  await b.call('listenUdp', UDP_PORT);
  const sent: string[] = [];
  // All that came but probes of the path and their answers, when nothing more comes.
  const packetDatagrams = async (): Promise<number> => {
    const count = async (): Promise<number> =>
      (await b.counter('udpReceivedDatagrams')) -
      (await b.counter('pathProbesAnswered')) -
      (await a.counter('pathProbesAnswered'));
    let last = await count();
    let same = 0;
    await until(async () => {
      const now = await count();
      same = now === last ? same + 1 : 0;
      last = now;
      return same === SETTLED;
    });
    return last;
  };
  // IPv4 20, UDP 8, record with connection ID 46; of the packet inside: 8 or 7 of IP, UDP 8.
  for (const [address, inner] of [
    [b.ipv4, 8],
    [b.hit, 7],
  ] as const) {
    const fits = 1400 - 20 - 8 - 46 - inner - 8;
    for (const [bytes, datagrams] of [
      [fits, 1],
      [fits + 1, 2],
    ] as const) {
      const before = await packetDatagrams();
      sent.push(...(await a.call<string[]>('sendUdp', address, UDP_PORT, [bytes])));
      await until(async () => (await b.call<string[]>('receivedUdp', UDP_PORT)).length === sent.length);
      t.is((await packetDatagrams()) - before, datagrams, `${bytes} bytes to ${address}`);
    }
  }
  t.is(await a.counter('packetsFragmented'), 2);
  t.is(await a.counter('udpSendErrors'), 0);
});

onWire('programs are told by Packet Too Big, and their next packets fit', async (t, wire) => {
  const { a, b } = wire;
  await linkOf(t, wire, { pathMtu: 1350 });
  await b.call('listenUdp', UDP_PORT);
  const sent: string[] = [];
  const send = async (address: string): Promise<void> => {
    sent.push(...(await a.call<string[]>('sendUdp', address, UDP_PORT, [1330])));
    await until(async () => (await b.call<string[]>('receivedUdp', UDP_PORT)).length >= sent.length);
  };
  for (const [i, address] of [b.hit, b.ipv4].entries()) {
    await send(address);
    t.is(await a.counter('packetsFragmented'), i + 1);
    // The kernel knows it now: it makes the fragments itself.
    await send(address);
    t.is(await a.counter('packetsFragmented'), i + 1);
    t.false(a.ping(address, '-W', '1', '-s', '1320', '-M', 'do'));
  }
  t.deepEqual(await b.call('receivedUdp', UDP_PORT), sent);
  t.is(await a.counter('tooBigSent'), 2);
  t.is(await a.counter('packetsFragmented'), 2);
});

onWire('probes are answered when they arrive, and only then', async (t, wire) => {
  const { a, b } = wire;
  wire.setMtu(1400);
  for (const family of [4, 6] as const) {
    const links = await wire.link({ family });
    t.true(await a.call('probe', links.a, 1280, 7));
    t.true(await a.call('probe', links.a, 1400, 0xfffffffe));
    t.false(await a.call('probe', links.a, 1401, 8));
    t.true(await b.call('probe', links.b, 1400, 9));
    t.false(await b.call('probe', links.b, 9000, 10));
    await a.call('closeLink', links.a);
    await b.call('event', 'closed');
  }
});

onWire('another path starts with 1280 bytes again', async (t, wire) => {
  const { a, b } = wire;
  const links = await linkOf(t, wire, { pathMtu: 1500 });
  t.true(a.ping(b.ipv4, '-s', '1352', '-M', 'dont'));
  t.is(await a.counter('packetsFragmented'), 0);
  await a.call('setPath', links.a, b.outer);
  t.true(a.ping(b.ipv4, '-s', '1352', '-M', 'dont'));
  t.is(await a.counter('packetsFragmented'), 0, 'the same path');
  await b.call('setPath', links.b, a.outer6);
  t.like(await a.call('event', 'newPath'), { link: links.a, remote: { address: b.outer } });
  await a.call('setPath', links.a, b.outer6);
  t.like(await a.call('event', 'newPath'), { link: links.a, remote: { address: b.outer6 } });
  t.true(a.ping(b.ipv4, '-s', '1352', '-M', 'dont'));
  t.is(await a.counter('packetsFragmented'), 1);
});

onWire('that a link relies on its path MTU is told, and not that it sends', async (t, wire) => {
  const { a, b } = wire;
  const links = await linkOf(t, wire, { pathMtu: 1500 });
  t.true(a.ping(b.hit, '-s', '1000'));
  t.is(await a.call('eventCount', 'largeSent'), 0);
  t.true(a.ping(b.hit, '-s', '1300'));
  t.deepEqual(await a.call('event', 'largeSent'), { type: 'largeSent', link: links.a });
});
