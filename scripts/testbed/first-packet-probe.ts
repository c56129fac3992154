/**
 * From a name to an answered packet, as a program sees it: `first-packet-probe.ts NAMESERVER NAME PORT WARM_COUNT`.
 * Prints {nameToHitMs, firstAnswerMs, warmMs: [...]}; the first answer counts from the question for the name.
 */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';

const ANSWER_TIMEOUT_MS = 5000;

const [nameserver = '', name = '', port = '', warmCount = '0'] = process.argv.slice(2);
const resolver = new Resolver();
resolver.setServers([nameserver]);
const socket = createSocket('udp6');
socket.bind();
await once(socket, 'listening');

async function answered(address: string): Promise<void> {
  socket.send('echo', Number(port), address);
  await once(socket, 'message', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
}

const start = performance.now();
const [address = ''] = await resolver.resolve6(name);
const resolved = performance.now();
await answered(address);
const first = performance.now();
const warmMs: number[] = [];
for (let i = 0; i < Number(warmCount); i++) {
  const before = performance.now();
  await answered(address);
  warmMs.push(performance.now() - before);
}
socket.close();
process.stdout.write(`${JSON.stringify({ nameToHitMs: resolved - start, firstAnswerMs: first - start, warmMs })}\n`);
