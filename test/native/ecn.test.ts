import type { ExecutionContext } from 'ava';
import type { Agent, Wire } from './support/network.ts';
import { onWire, until } from './support/on-wire.ts';
import { Tap } from './support/tap.ts';

const ECT1 = 1;
const ECT0 = 2;
const CE = 3;
const EF = 0xb8;
const TCP_PORT = 7001;

/** In front of this host a router is congested: it marks datagrams for the data plane that have `match`. */
function congest(host: Agent, match: string): void {
  const mark = (family: 'ip' | 'ip6'): string =>
    `udp dport 6084 ${match === '' ? '' : `${family} ${match} `}${family} ecn set ce;`;
  host.run(
    'nft',
    `table inet congested { chain arrive { type filter hook prerouting priority mangle; ${mark('ip')} ${mark('ip6')} }; }`,
  );
}

/** Traffic classes of the echo requests that came out of the TUN at b, sent with each of `classes`. */
async function arriving({ a, b }: Wire, address: string, classes: readonly number[]): Promise<number[]> {
  const tap = await Tap.open(b.namespace);
  const received = (): number[] =>
    tap
      .packets()
      .filter((packet) => ((packet[0] ?? 0) >> 4 === 6 ? packet[40] === 128 : packet[20] === 8))
      .map((packet) => ((packet[0] ?? 0) >> 4 === 6 ? (packet.readUInt16BE(0) >> 4) & 0xff : packet.readUInt8(1)));
  try {
    const before = await b.counter('packetsIn');
    for (const trafficClass of classes) a.ping(address, '-c', '1', '-W', '1', '-Q', String(trafficClass));
    const came = (await b.counter('packetsIn')) - before;
    await until(async () => Promise.resolve(received().length >= came));
    return received();
  } finally {
    await tap.close();
  }
}

async function eachAddress(t: ExecutionContext, wire: Wire, sent: number[], expected: number[]): Promise<void> {
  for (const address of [wire.b.hit, wire.b.ipv4]) t.deepEqual(await arriving(wire, address, sent), expected, address);
}

for (const family of [4, 6] as const) {
  onWire(`over IPv${family} the mark of a congested router reaches who understands it`, async (t, wire) => {
    await wire.linkAndAuthorize({ family });
    await eachAddress(t, wire, [0, ECT1, ECT0, CE, EF | ECT0], [0, ECT1, ECT0, CE, EF | ECT0]);
    // What leaves carries the field of the packet inside: only that is marked.
    congest(wire.b, 'ecn ect0');
    await eachAddress(t, wire, [0, ECT1, ECT0, CE, EF | ECT0], [0, ECT1, CE, CE, EF | CE]);
    t.is(await wire.b.counter('dropCongested'), 0);
  });

  onWire(`over IPv${family} a mark that the sender would not understand is a loss`, async (t, wire) => {
    await wire.linkAndAuthorize({ family });
    congest(wire.b, '');
    await eachAddress(t, wire, [0, ECT1, 0, ECT0], [CE, CE]);
    t.is(await wire.b.counter('dropCongested'), 4);
  });
}

onWire('TCP inside hears of congestion outside', async (t, wire) => {
  const { a, b } = wire;
  for (const agent of [a, b]) agent.run('sysctl', '-q', '-w', 'net.ipv4.tcp_ecn=1');
  await wire.linkAndAuthorize();
  congest(b, 'ecn ect0');
  await b.call('listenTcp', TCP_PORT);
  for (const address of [b.hit, b.ipv4]) {
    const delivered = (): number => {
      const lines = a
        .run('cat', '/proc/net/netstat')
        .split('\n')
        .filter((line) => line.startsWith('TcpExt:'));
      const [names = [], values = []] = lines.map((line) => line.split(' '));
      return Number(values[names.indexOf('TCPDeliveredCE')]);
    };
    const before = delivered();
    t.is(await a.call('sendTcp', address, TCP_PORT, 1_000_000), true);
    t.true(delivered() > before, address);
  }
  t.is(await b.counter('dropCongested'), 0);
});

for (const copyDscp of [false, true])
  onWire(
    `the DSCP of packets is ${copyDscp ? 'on the datagrams where that is asked for' : 'nobody’s business outside'}`,
    async (t, wire) => {
      await wire.linkAndAuthorize();
      congest(wire.b, 'dscp ef');
      await eachAddress(t, wire, [EF | ECT0, ECT0], [EF | (copyDscp ? CE : ECT0), ECT0]);
    },
    { copyDscp },
  );
