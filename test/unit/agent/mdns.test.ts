import { createSocket } from 'node:dgram';
import test, { type ExecutionContext } from 'ava';
import packet from 'dns-packet';
import { Guard } from '../../../src/agent/guard.ts';
import { MulticastPlace } from '../../../src/agent/mdns.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { meetingKey } from '../../../src/rendezvous/meeting-key.ts';

const KEY = meetingKey(new Uint8Array(16).fill(1), 'mdns', 'overlay', 20_000);
const OTHER_KEY = meetingKey(new Uint8Array(16).fill(2), 'mdns', 'overlay', 20_000);

const GARBAGE = 'no DNS message';

/** Away from 5353, on loopback only. */
async function anyPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

function place(
  t: ExecutionContext,
  port: number,
  mdnsPort: number,
  guard = new Guard({ logger: silentLogger }),
): MulticastPlace {
  const made = new MulticastPlace({ logger: silentLogger, random: systemRandom, guard }, { port, mdnsPort });
  made.setAddresses(['127.0.0.1']);
  t.teardown(() => made.close());
  return made;
}

const found = (asker: MulticastPlace): Promise<SocketAddress> => new Promise((resolve) => asker.onFound(resolve));

/** A question that is sent before the other end listens is lost. */
function asking(t: ExecutionContext, asker: MulticastPlace, key: Uint8Array): void {
  const again = setInterval(() => asker.visit(key), 100);
  t.teardown(() => clearInterval(again));
}

test('two hosts on one LAN find each other by the key of their overlay', async (t) => {
  const mdnsPort = await anyPort();
  const [a, b] = [place(t, 1111, mdnsPort), place(t, 2222, mdnsPort)];
  const seen = Promise.all([found(a), found(b)]);
  asking(t, a, KEY);
  asking(t, b, KEY);
  t.deepEqual(await seen, [
    { address: '127.0.0.1', port: 2222 },
    { address: '127.0.0.1', port: 1111 },
  ]);
});

test('a bug in what an answer leads to costs that answer: it is counted, and the next one is heard', async (t) => {
  const mdnsPort = await anyPort();
  const guard = new Guard({ logger: silentLogger });
  const [a, b] = [place(t, 1111, mdnsPort, guard), place(t, 2222, mdnsPort)];
  let heard = 0;
  const second = new Promise<void>((resolve) =>
    a.onFound(() => {
      heard += 1;
      if (heard === 1) throw new Error('a bug');
      resolve();
    }),
  );
  asking(t, a, KEY);
  asking(t, b, KEY);
  await second;
  t.is(guard.count, 1);
});

test('a stranger without the key is told nothing, neither asked for the service nor under another key', async (t) => {
  const mdnsPort = await anyPort();
  const [host, member, stranger] = [1, 2, 3].map((port) => place(t, port, mdnsPort));
  if (host === undefined || member === undefined || stranger === undefined) throw new Error('three places');
  host.visit(KEY);
  const answers: packet.DecodedPacket[] = [];
  const listener = createSocket({ type: 'udp4', reuseAddr: true });
  await new Promise<void>((resolve) => listener.bind(mdnsPort, resolve));
  listener.addMembership('224.0.0.251', '127.0.0.1');
  listener.setMulticastInterface('127.0.0.1');
  listener.on('message', (message) => {
    if (message.toString() === GARBAGE) return;
    const decoded = packet.decode(message);
    if (decoded.type === 'response') answers.push(decoded);
  });
  const question = packet.encode({ type: 'query', questions: [{ type: 'PTR', name: '_idloc._udp.local' }] });
  listener.send(question, mdnsPort, '224.0.0.251');
  listener.send(Buffer.from(GARBAGE), mdnsPort, '224.0.0.251');
  stranger.onFound(() => t.fail('a stranger found somebody'));
  asking(t, stranger, OTHER_KEY);
  asking(t, member, KEY);
  await found(member);
  for (const { answers: records = [] } of answers)
    for (const { name } of records)
      t.regex(name, new RegExp(`^_${Buffer.from(KEY.subarray(0, 12)).toString('hex')}\\.`));
  t.true(answers.length > 0);
  listener.close();
});
