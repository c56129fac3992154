import test from 'ava';
import { BackgroundProcess, tryCommand } from '../../scripts/testbed/command.ts';
import { tool } from '../../scripts/testbed/tools.ts';

// Fixed, as in the benchmarks, but on loopback: ports that nothing else here uses.
const ECHO_PORT = '15203';
const LOAD_PORT = '15202';
const GARBAGE_PORT = '15201';

async function run(name: 'echo_flow' | 'udp_load', ...args: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await tryCommand(await tool(name), args, { timeoutMs: 20_000 });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('every datagram of a flow comes back, over IPv4 as over IPv6, and none where nobody serves', async (t) => {
  const flow = (address: string) => run('echo_flow', 'call', address, ECHO_PORT, '46', '172', '1', '20');
  const server = new BackgroundProcess(await tool('echo_flow'), ['serve', ECHO_PORT, '46']);
  t.teardown(() => server.kill());
  await server.waitFor(/ready/, 10_000);
  for (const address of ['127.0.0.1', '::1']) {
    const { sent, rttMs } = await flow(address);
    t.is(sent, 20);
    t.is((rttMs as number[]).length, 20);
  }
  await server.stop();
  t.deepEqual(await flow('::1'), { sent: 20, rttMs: [] });
});

test('a load of few datagrams arrives whole, without those of the warm-up', async (t) => {
  const receiver = new BackgroundProcess(await tool('udp_load'), ['receive', LOAD_PORT]);
  t.teardown(() => receiver.kill());
  await receiver.waitFor(/ready/, 10_000);
  const { sent } = await run('udp_load', 'send', '127.0.0.1', LOAD_PORT, '1200', '500', '0.1', '0.2');
  await receiver.stop();
  t.true(typeof sent === 'number' && sent > 0, String(sent));
  // 150 in all, 50 of them in the warm-up; what was due in 10 ms may be made up for.
  t.true((sent as number) <= 105, String(sent));
  t.deepEqual(JSON.parse(receiver.stdout.replace('ready', '')), { received: sent });
});

test('garbage comes from the addresses that are named, until it is told to end', async (t) => {
  const args = ['127.0.0.1', GARBAGE_PORT, '1000', '60', '1', '127.0.0.2', '127.0.0.3'];
  const flood = new BackgroundProcess(await tool('garbage_flood'), args);
  t.teardown(() => flood.kill());
  await flood.waitFor(/ready/, 10_000);
  t.is(await flood.stop(), 0);
  t.regex(flood.stdout, /^ready\n\{"sent":\d+,"seconds":[\d.]+\}\n$/);
  const elsewhere = ['127.0.0.1', GARBAGE_PORT, '1000', '1', '1', '192.0.2.77'];
  t.is((await tryCommand(await tool('garbage_flood'), elsewhere, { timeoutMs: 20_000 })).status, 1);
});

test('arguments that make no sense are refused', async (t) => {
  for (const [name, args] of [
    ['udp_load', ['send', 'localhost', '1', '1200', '1', '0', '1']],
    ['udp_load', ['send', '::1', '1', '9001', '1', '0', '1']],
    ['echo_flow', ['call', '::1', '1', '46', '15', '20', '1']],
    ['echo_flow', ['serve', 'x', '46']],
    ['garbage_flood', ['::1', '1', '1']],
  ] as const)
    t.is((await tryCommand(await tool(name), args, { timeoutMs: 20_000 })).status, 2, `${name} ${args.join(' ')}`);
});
