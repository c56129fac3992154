import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import { request } from '../../src/control/client.ts';
import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Namespace } from '../../scripts/testbed/lab.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { Internet, NAT_WAN_INTERFACE } from '../../scripts/testbed/topology.ts';
import type { NatRouter } from '../../scripts/testbed/topology.ts';
import { systemTest } from './support/system-test.ts';

const ECHO = join(import.meta.dirname, '../../scripts/testbed/udp-echo.ts');
const ECHO_PORT = 5060;
const TCP_PORT = 5201;
const START_TIMEOUT_MS = 10_000;
const MEGABYTE = 1_000_000;
const TRANSFER_TIMEOUT_MS = 40_000;
/** Up to one second until the loss of the size is looked into, three until it is sure, and then TCP's own timer. */
const LONGEST_HOLE_SECONDS = 8;
/** What a SIP INVITE with a long SDP and a certificate has. */
const INVITE_BYTES = 2400;

/** Sends one datagram of so many bytes and prints how many came back; once, not again. */
const INVITE = `
const [address, port, bytes] = process.argv.slice(1);
const socket = require('dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
socket.on('message', (data) => { console.log(data.length); socket.close(); });
socket.send(Buffer.alloc(Number(bytes), 'v'), Number(port), address);
setTimeout(() => process.exit(1), 5000).unref();
`;

/** Takes one connection and answers, when it is over, with the digest of what came. */
const TAKE = `
const hash = require('crypto').createHash('sha256');
const server = require('net').createServer({ allowHalfOpen: true }, (socket) => {
  server.close();
  socket.on('data', (data) => hash.update(data)).on('end', () => socket.end(hash.digest('hex')));
}).listen(Number(process.argv[1]), '::', () => console.log('ready'));
`;

/** Sends so many bytes over TCP and prints whether they arrived as they were sent. */
const GIVE = `
const [address, port, bytes] = process.argv.slice(1);
const data = require('crypto').randomBytes(Number(bytes));
let answer = '';
require('net').connect(Number(port), address)
  .on('data', (text) => (answer += text))
  .on('close', () => console.log(answer === require('crypto').createHash('sha256').update(data).digest('hex')))
  .end(data);
`;

/** A router with a narrow link, which does not say so: packets that are too large are just gone. */
async function narrow(router: NatRouter, mtu: number): Promise<void> {
  await router.namespace.nft(
    'table ip silence { chain output { type filter hook output priority filter; icmp type destination-unreachable drop; }; }',
  );
  await router.namespace.ip('link', 'set', NAT_WAN_INTERFACE, 'mtu', String(mtu));
}

async function invite(from: Namespace, address: string): Promise<number> {
  const args = ['-e', INVITE, address, String(ECHO_PORT), String(INVITE_BYTES)];
  return Number((await from.tryRun(process.execPath, args)).stdout.trim());
}

/** @returns whether a megabyte of TCP arrived as it was sent */
async function megabyte(from: Namespace, to: Namespace, address: string): Promise<boolean> {
  const server = to.start(process.execPath, ['-e', TAKE, String(TCP_PORT)]);
  try {
    await server.waitFor(/ready/, START_TIMEOUT_MS);
    const args = ['-e', GIVE, address, String(TCP_PORT), String(MEGABYTE)];
    return (await from.tryRun(process.execPath, args, { timeoutMs: TRANSFER_TIMEOUT_MS })).stdout.trim() === 'true';
  } finally {
    await server.stop();
  }
}

const iperfSchema = z.object({
  intervals: z.array(z.object({ sum: z.object({ end: z.number(), bytes: z.number() }) })),
  end: z.object({ sum_received: z.object({ bytes: z.number() }) }),
});

/** TCP as fast as it goes. */
async function stream(
  from: Namespace,
  to: Namespace,
  address: string,
  seconds: number,
): Promise<z.infer<typeof iperfSchema>> {
  const server = to.start('iperf3', ['-s', '-1', '--forceflush', '-p', String(TCP_PORT)]);
  try {
    await server.waitFor(/Server listening/, START_TIMEOUT_MS);
    const args = ['-c', address, '-p', String(TCP_PORT), '-J', '-t', String(seconds)];
    const { stdout } = await from.tryRun('iperf3', args, { timeoutMs: TRANSFER_TIMEOUT_MS });
    return iperfSchema.parse(JSON.parse(stdout));
  } finally {
    await server.stop();
  }
}

/** Both families, an INVITE first: nobody knows the path yet. */
async function carriesEverything(
  t: ExecutionContext,
  from: Namespace,
  to: Namespace,
  { hit, ipv4 }: { readonly hit: string; readonly ipv4: string | null },
): Promise<void> {
  const echo = to.start(process.execPath, [ECHO, String(ECHO_PORT)]);
  try {
    await echo.waitFor(/ready/, START_TIMEOUT_MS);
    for (const address of [hit, ipv4 ?? '']) {
      t.is(await invite(from, address), INVITE_BYTES, `INVITE to ${address}`);
      t.true(await megabyte(from, to, address), `TCP to ${address}`);
    }
  } finally {
    await echo.stop();
  }
}

for (const mtu of [1280, 1400])
  systemTest(
    `a path of ${mtu} bytes that loses the rest in silence carries TCP and INVITEs at the first try`,
    async (t, lab) => {
      const { homes, alice, bob } = await threeHosts(lab);
      await narrow(homes.natA, mtu);
      await narrow(homes.natB, mtu);
      await carriesEverything(t, homes.a.namespace, homes.b.namespace, await bob.status());
      t.is((await alice.status()).tun?.mtu, 1416);
    },
  );

systemTest('a transfer goes on when its path becomes narrow, and says nothing', async (t, lab) => {
  const { homes, bob } = await threeHosts(lab);
  const { hit } = await bob.status();
  const running = stream(homes.a.namespace, homes.b.namespace, hit, 20);
  await delay(5000);
  await narrow(homes.natA, 1300);
  await narrow(homes.natB, 1300);
  const { intervals } = await running;
  t.log(intervals.map(({ sum }) => `${sum.end.toFixed(0)}: ${(sum.bytes / 1e6).toFixed(1)} MB`).join(', '));
  const seconds = intervals.filter(({ sum }) => sum.bytes > 0).length;
  t.true(intervals.length - seconds <= LONGEST_HOLE_SECONDS, `${intervals.length - seconds} s without a byte`);
  t.true(intervals.slice(-3).every(({ sum }) => sum.bytes > MEGABYTE));
});

systemTest(
  'a path that falls to 1200 bytes in the middle of a transfer carries TCP again within six seconds, and large pings afterwards',
  async (t, lab) => {
    const { homes, bob } = await threeHosts(lab);
    const { hit } = await bob.status();
    const running = stream(homes.a.namespace, homes.b.namespace, hit, 16);
    await delay(5000);
    await narrow(homes.natA, 1200);
    await narrow(homes.natB, 1200);
    const { intervals } = await running;
    const silent = intervals.filter(({ sum }) => sum.bytes === 0).length;
    t.true(silent <= 6, `${silent} s without a byte`);
    const { stdout } = await homes.a.namespace.tryRun('ping', ['-c', '5', '-i', '0.2', '-s', '1400', hit]);
    t.regex(stdout, / 5 received/);
  },
);

systemTest('on a jumbo path packets of programs become as large', async (t, lab) => {
  const internet = await Internet.create(lab);
  const hosts = [
    await internet.publicHost('a', '203.0.113.20'),
    await internet.publicHost('b', '203.0.113.21'),
  ] as const;
  for (const [i, host] of hosts.entries()) {
    await internet.namespace.ip('link', 'set', `port${i + 1}`, 'mtu', '9000');
    await host.namespace.ip('link', 'set', host.interfaceName, 'mtu', '9000');
  }
  const [a, b] = hosts;
  const first = await Agent.start(lab, { namespace: a.namespace, name: 'a', overlay: { create: OVERLAY } });
  const second = await Agent.start(lab, {
    namespace: b.namespace,
    name: 'b',
    overlay: { join: await first.invite() },
  });
  for (const agent of [first, second])
    await eventually('the TUN follows', START_TIMEOUT_MS, async () =>
      (await agent.status()).tun?.mtu === 8916 ? true : undefined,
    );
  t.regex(await b.namespace.ip('-details', 'link', 'show', 'dev', 'idloc0'), /mtu 8916 .* gso_max_segs 7\b/s);
  await carriesEverything(t, a.namespace, b.namespace, await second.status());
  const before = await request(first.socket, 'counters', {});
  const { end } = await stream(a.namespace, b.namespace, (await second.status()).hit, 2);
  const after = await request(first.socket, 'counters', {});
  const packets = (after['packetsOut'] ?? 0) - (before['packetsOut'] ?? 0);
  t.true(end.sum_received.bytes / packets > 6000, `${end.sum_received.bytes} bytes in ${packets} packets`);
});
