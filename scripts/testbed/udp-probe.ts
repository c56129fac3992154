/**
 * Sockets of one host, for tests of routers; a line on stdin each, answered by a line of JSON:
 *
 *     bind PORT
 *     send PORT ADDRESS PORT TEXT       from that socket, which is bound when it is not yet
 *     refused ADDRESS PORT              from a connected socket of any port: {"error"}, what the kernel is told about it within a second
 *     heard                             all that came since the last time: [{"port", "from", "fromPort", "text"}]
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const REFUSED_WITHIN_MS = 1000;

interface Heard {
  readonly port: number;
  readonly from: string;
  readonly fromPort: number;
  readonly text: string;
}

const sockets = new Map<number, Socket>();
let heard: Heard[] = [];

async function bound(port: number): Promise<Socket> {
  const known = sockets.get(port);
  if (known !== undefined) return known;
  const socket = createSocket('udp4');
  sockets.set(port, socket);
  socket.on('message', (data, { address, port: fromPort }) => {
    heard.push({ port, from: address, fromPort, text: data.toString() });
  });
  socket.bind(port);
  await once(socket, 'listening');
  return socket;
}

async function refused(address: string, port: number): Promise<string | null> {
  const socket = createSocket('udp4');
  socket.connect(port, address);
  await once(socket, 'connect');
  const error = once(socket, 'error').then(([why]) => (why as NodeJS.ErrnoException).code ?? 'unknown');
  socket.send('?');
  const code = await Promise.race([error, delay(REFUSED_WITHIN_MS, null)]);
  socket.close();
  return code;
}

async function obey(line: string): Promise<unknown> {
  const [what = '', first = '', second = '', third = '', ...text] = line.split(' ');
  switch (what) {
    case 'bind':
      await bound(Number(first));
      return {};
    case 'send':
      (await bound(Number(first))).send(text.join(' '), Number(third), second);
      return {};
    case 'refused':
      return { error: await refused(first, Number(second)) };
    case 'heard': {
      const all = heard;
      heard = [];
      return all;
    }
    default:
      return { error: `what is ${what}?` };
  }
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await obey(line))}\n`);
process.exit(0);
