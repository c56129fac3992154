import { createSocket } from 'node:dgram';
import test, { type ExecutionContext } from 'ava';
import packet from 'dns-packet';
import { DnsPlace, isDelegable } from '../../../src/agent/dns-service.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { formatSocketAddress } from '../../../src/base/socket-address.ts';

/** A name server on loopback. */
async function nameServer(t: ExecutionContext, records: readonly packet.Answer[]): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (message, remote) => {
    const { id, questions = [] } = packet.decode(message);
    const answers = records.filter(({ name, type }) =>
      questions.some((asked) => asked.name === name && asked.type === type),
    );
    socket.send(
      packet.encode({ type: 'response', id: id ?? 0, flags: answers.length === 0 ? 3 : 0, questions, answers }),
      remote.port,
      remote.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.teardown(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

test('the SRV records of a domain lead to its peers, the preferred ones first', async (t) => {
  const srv = (target: string, priority: number): packet.Answer => ({
    ...{ type: 'SRV', name: '_idloc._udp.home.org', ttl: 60 },
    data: { target, port: 7000 + priority, priority, weight: 0 },
  });
  const server = await nameServer(t, [
    srv('b.home.org', 20),
    srv('a.home.org', 10),
    srv('gone.home.org', 5),
    { type: 'A', name: 'a.home.org', ttl: 60, data: '203.0.113.7' },
    { type: 'AAAA', name: 'a.home.org', ttl: 60, data: '2001:db8:0::7' },
    { type: 'A', name: 'b.home.org', ttl: 60, data: '203.0.113.8' },
  ]);
  const place = new DnsPlace({ logger: silentLogger, servers: () => [server] }, { domain: 'home.org' });
  const found: string[] = [];
  await new Promise<void>((resolve) => {
    place.onFound((address) => {
      found.push(formatSocketAddress(address));
      if (found.length === 3) resolve();
    });
    place.visit();
    place.visit();
  });
  t.deepEqual(found, ['[2001:db8::7]:7010', '203.0.113.7:7010', '203.0.113.8:7020']);
});

test('a domain without such records, or without a server, is no error', async (t) => {
  const server = await nameServer(t, []);
  const debug: string[] = [];
  const said = new Promise<void>((resolve) => {
    const logger = { ...silentLogger, debug: (message: string) => resolve(void debug.push(message)) };
    const place = new DnsPlace({ logger, servers: () => [server] }, { domain: 'home.org' });
    place.onFound(() => t.fail('nobody is there'));
    place.visit();
  });
  await said;
  t.deepEqual(debug, ['dns.service']);
});

test('a visit in another network is not lost while the server of the last one is asked in vain', async (t) => {
  const server = await nameServer(t, [
    {
      ...{ type: 'SRV', name: '_idloc._udp.home.org', ttl: 60 },
      data: { target: 'a.home.org', port: 7000, priority: 0, weight: 0 },
    },
    { type: 'A', name: 'a.home.org', ttl: 60, data: '203.0.113.7' },
  ]);
  let current = '127.0.0.1:1';
  const place = new DnsPlace({ logger: silentLogger, servers: () => [current] }, { domain: 'home.org' });
  const found = new Promise((resolve) => {
    place.onFound((address) => resolve(formatSocketAddress(address)));
  });
  place.visit();
  current = server;
  place.visit();
  t.is(await found, '203.0.113.7:7000');
});

test('only a name that a server can know is asked for', (t) => {
  for (const name of ['home.org', 'a.b.co.uk']) t.true(isDelegable(name), name);
  for (const name of ['home.example', 'x.internal', 'printer.local', 'home.arpa', 'com', 'x.test'])
    t.false(isDelegable(name), name);
});
