import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { whyNoNetwork } from './support/network.ts';
import { until } from './support/on-wire.ts';
import { TwoUplinks } from './support/two-uplinks.ts';

const PORT = 7002;
const VOICE = 172;
const BULK = 1200;
const TX_PACKETS = '/sys/class/net/u1/statistics/tx_packets';

const reason = whyNoNetwork();
let label = 0;

function onTwoUplinks(
  title: string,
  body: (t: ExecutionContext, host: TwoUplinks) => Promise<void>,
  options: { readonly ipv6?: boolean; readonly forbidden?: string } = {},
): void {
  if (reason !== undefined) {
    test.skip(`${title} (${reason})`, (t) => t.pass());
    return;
  }
  test.serial(title, async (t) => {
    t.timeout(120_000);
    const host = await TwoUplinks.lay(`u${label++}`, options);
    try {
      await body(t, host);
    } finally {
      await host.remove();
    }
  });
}

for (const family of [4, 6] as const)
  onTwoUplinks(
    `IPv${family}: what is sent from an address of the second uplink leaves by it, in bursts`,
    async (t, host) => {
      const { a, b } = host;
      await host.link(family, 2);
      await b.call('listenTcp', PORT);
      const [calls, datagrams, first] = [
        await a.counter('udpSendCalls'),
        await a.counter('udpSentDatagrams'),
        host.sentBy(1),
      ];
      t.true(await a.call('sendTcp', b.hit, PORT, 8_000_000));
      const perCall = ((await a.counter('udpSentDatagrams')) - datagrams) / ((await a.counter('udpSendCalls')) - calls);
      t.true(perCall > 4, `${perCall} datagrams a call`);
      t.true(host.sentBy(1) - first < 50, 'the first uplink has sent next to nothing');
      t.is(await a.counter('uplinksUnbound'), 0);
      // Both ways, and in bursts.
      await a.call('listenTcp', PORT);
      const [received, batches] = [await a.counter('udpReceivedDatagrams'), await a.counter('udpReceiveCalls')];
      t.true(await b.call('sendTcp', a.hit, PORT, 8_000_000));
      const perBatch =
        ((await a.counter('udpReceivedDatagrams')) - received) / ((await a.counter('udpReceiveCalls')) - batches);
      t.true(perBatch > 4, `${perBatch} datagrams a batch`);
    },
  );

for (const ipv6 of [true, false])
  onTwoUplinks(
    `what comes by either uplink is received, the urgent before the rest (${ipv6 ? 'a host with IPv6' : 'without IPv6'})`,
    async (t, host) => {
      const { a, b } = host;
      await a.call('listenUdp', PORT);
      b.markVoice(VOICE);
      for (const uplink of [1, 2] as const) {
        const links = await host.link(4, uplink);
        const before = (await sizesAt(a)).length;
        const bulk = Array<number>(40).fill(BULK);
        const send = await b.readyBeside(a.ipv4, PORT, [...bulk, VOICE, VOICE]);
        await a.freeze();
        try {
          await send();
          await eventuallySent(host);
        } finally {
          a.thaw();
        }
        await until(async () => (await sizesAt(a)).length === before + 42);
        t.deepEqual((await sizesAt(a)).slice(before, before + 2), [VOICE, VOICE], `uplink ${uplink}`);
        await a.call('closeLink', links.a);
      }
    },
    { ipv6 },
  );

for (const ipv6 of [true, false])
  onTwoUplinks(
    `a second uplink that goes and comes loses nothing of what passes the first (${ipv6 ? 'a host with IPv6' : 'without IPv6'})`,
    async (t, host) => {
      const { a, b } = host;
      await host.link(4, 1);
      for (const agent of [a, b]) await agent.call('listenUdp', PORT);
      const phones = [a.speakBeside(b.ipv4, PORT, 900), b.speakBeside(a.ipv4, PORT, 900)] as const;
      for (let round = 0; round < 5; round++) {
        host.setDefault(2, false, ipv6);
        await passing(phones, 8);
        host.setDefault(2, true, ipv6);
        await passing(phones, 8);
      }
      for (const phone of phones) phone.stop();
      const [fromA, fromB] = phones.map((phone) => phone.sent()) as [number, number];
      await until(async () => (await sizesAt(b)).length >= fromA && (await sizesAt(a)).length >= fromB);
      t.true(fromA >= 80 && fromB >= 80, `${fromA} and ${fromB} sent`);
      t.is(await a.counter('dropSendFailed'), 0);
    },
    { ipv6 },
  );

onTwoUplinks(
  'the default route goes to the other uplink and the addresses stay: a link goes on by its own',
  async (t, host) => {
    const { a, b } = host;
    await host.link(4, 1);
    await b.call('listenUdp', PORT);
    const phone = a.speakBeside(b.ipv4, PORT, 900);
    await passing([phone], 5);
    for (const route of [
      ['-4', 'route', 'add', 'default', 'via', '10.2.0.1', 'dev', 'u2', 'metric', '50'],
      ['-6', 'route', 'add', 'default', 'via', 'fd02::1', 'dev', 'u2', 'metric', '50'],
    ])
      a.run('ip', ...route);
    await passing([phone], 20);
    phone.stop();
    await until(async () => (await sizesAt(b)).length >= phone.sent());
    t.true(phone.sent() >= 25);
  },
);

for (const local of ['10.2.0.2', null])
  onTwoUplinks(
    `the first uplink is forbidden and has the better route: what is sent ${local === null ? 'from no address yet' : 'from the other one'} leaves by the other`,
    async (t, { a, b }) => {
      const first = Number(a.run('cat', TX_PACKETS));
      const [linkB, linkA] = await Promise.all([
        b.call<number>('connect', 'server', '10.2.0.2', '203.0.113.1'),
        a.call<number>('connect', 'client', '203.0.113.1', local),
      ]);
      await b.call('authorize', linkB, a.hit, a.ipv4);
      await a.call('authorize', linkA, b.hit, b.ipv4);
      await b.call('listenUdp', PORT);
      await a.call('sendUdp', b.ipv4, PORT, Array<number>(20).fill(VOICE));
      await until(async () => (await sizesAt(b)).length === 20);
      t.is(Number(a.run('cat', TX_PACKETS)), first, 'not a packet by the first one');
    },
    { ipv6: false, forbidden: 'u1' },
  );

onTwoUplinks('an uplink that is switched off and on again is used again', async (t, host) => {
  const { a, b } = host;
  const links = await host.link(6, 2);
  await b.call('listenUdp', PORT);
  a.run('ip', 'link', 'set', 'u2', 'down');
  await a.call('setPath', links.a, '2001:db8::1', 'fd01::2');
  await b.call('setPath', links.b, 'fd01::2', '2001:db8::1');
  await a.call('sendUdp', b.hit, PORT, [VOICE]);
  await until(async () => (await sizesAt(b)).length === 1);
  a.run('ip', 'link', 'set', 'u2', 'up');
  a.run('ip', 'address', 'replace', 'fd02::2/64', 'dev', 'u2', 'nodad');
  for (const route of [
    ['via', '10.2.0.1'],
    ['via', 'fd02::1'],
  ])
    a.run('ip', 'route', 'add', 'default', ...route, 'dev', 'u2', 'metric', '200');
  await a.call('setPath', links.a, '2001:db8::1', 'fd02::2');
  await b.call('setPath', links.b, 'fd02::2', '2001:db8::1');
  // The router's end may still look whether its address is a duplicate, since its carrier was gone: what is sent then can be lost.
  await until(async () => {
    await a.call('sendUdp', b.hit, PORT, [BULK]);
    await delay(100);
    return (await sizesAt(b)).length > 1;
  });
  t.deepEqual((await sizesAt(b)).slice(0, 2), [VOICE, BULK]);
});

async function sizesAt(agent: TwoUplinks['a']): Promise<number[]> {
  return (await agent.call<string[]>('receivedUdp', PORT)).map((digest) => Number(digest.split(':')[0]));
}

async function passing(phones: readonly { sent(): number }[], packets: number): Promise<void> {
  for (const phone of phones) {
    const until = phone.sent() + packets;
    while (phone.sent() < until) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** b has sealed and sent all that its programs gave it. */
async function eventuallySent({ b }: TwoUplinks): Promise<void> {
  let before = -1;
  for (;;) {
    const now = await b.counter('packetsOut');
    if (now === before) return;
    before = now;
  }
}
