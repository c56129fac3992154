import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../../src/base/clock.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { Guard } from '../../../src/agent/guard.ts';
import { SipSockets } from '../../../src/agent/sip-sockets.ts';
import { type SipFlow, tcpFlow, udpFlow } from '../../../src/sip/flow.ts';
import { parseSip } from '../../../src/sip/message/codec.ts';
import type { SipMessage } from '../../../src/sip/message/message.ts';

/** Stands for an overlay address of this host. */
const OWN = '127.0.60.1';
const MEMBER = '127.0.0.2';

let lastPort = 45_100;

function options(callId: string, bodyLength = 0): string {
  const lines = ['OPTIONS sip:a@home.example SIP/2.0', `Call-ID: ${callId}`, `Content-Length: ${bodyLength}`];
  return `${lines.join('\r\n')}\r\n\r\n${'x'.repeat(bodyLength)}`;
}

interface Setup {
  readonly sockets: SipSockets;
  readonly port: number;
  readonly received: { readonly flow: SipFlow; readonly message: SipMessage }[];
  readonly closed: SipFlow[];
  readonly log: string[];
  readonly guard: Guard;
}

function setup(t: ExecutionContext, given: { port?: number; onMessage?: (flow: SipFlow) => void } = {}): Setup {
  const port = given.port ?? (lastPort += 1);
  const received: Setup['received'][number][] = [];
  const closed: SipFlow[] = [];
  const log: string[] = [];
  const line =
    (level: string) =>
    (message: string): void =>
      void log.push(`${level} ${message}`);
  const logger: Logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const guard = new Guard({ logger });
  const sockets = new SipSockets(
    {
      ...{ clock: systemClock, logger, guard },
      receive: (flow, incoming) => {
        received.push({ flow, message: incoming instanceof Uint8Array ? parseSip(incoming) : incoming });
        given.onMessage?.(flow);
      },
      flowClosed: (flow) => closed.push(flow),
    },
    { port, interfaceName: 'lo' },
  );
  t.teardown(() => sockets.stop());
  return { sockets, port, received, closed, log, guard };
}

async function until(t: ExecutionContext, what: string, is: () => boolean): Promise<void> {
  const end = performance.now() + 8_000;
  while (!is()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.pass(what);
}

async function udp(t: ExecutionContext, address = '127.0.0.1'): Promise<UdpSocket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  t.teardown(() => socket.close());
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

async function tcp(t: ExecutionContext, port: number, to = OWN, from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: to, localAddress: from });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('what would go to port 0 is not sent, and is no unexpected error', async (t) => {
  const { sockets, port, guard } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const ends = { local: { address: OWN, port }, remote: { address: MEMBER, port: 0 } };
  t.notThrows(() => sockets.send(udpFlow(ends), Buffer.from(options('none'))));
  t.notThrows(() => sockets.send(tcpFlow(ends), Buffer.from(options('none'))));
  t.is(guard.count, 0);
});

test('a datagram to any of its addresses comes with both ends, and the answer leaves from the address that was asked', async (t) => {
  const { sockets, port, received } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  t.deepEqual(sockets.ownSip, { port, addresses: [OWN], tcp: true });
  for (const address of [OWN, '127.0.0.1', '::1']) {
    const phone = await udp(t, address.includes(':') ? '::1' : '127.0.0.1');
    phone.send(options(address), port, address);
    await until(t, `${address} is heard`, () => received.length > 0);
    const got = received.splice(0);
    const { address: phoneAddress, port: phonePort } = phone.address();
    const flow = udpFlow({ local: { address, port }, remote: { address: phoneAddress, port: phonePort } });
    t.deepEqual(
      got.map((one) => one.flow),
      [flow],
    );
    sockets.send(flow, Buffer.from('SIP/2.0 200 OK\r\n\r\n'));
    const [answer, from] = (await once(phone, 'message')) as [Buffer, { address: string; port: number }];
    t.is(answer.toString(), 'SIP/2.0 200 OK\r\n\r\n');
    t.like(from, { address, port });
  }
});

test('it is at no other address of the host', async (t) => {
  const { sockets, port, received } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const elsewhere = connect({ port, host: '127.0.60.2' });
  const [error] = (await once(elsewhere, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNREFUSED');
  const phone = await udp(t);
  phone.send(options('elsewhere'), port, '127.0.60.2');
  phone.send(options('here'), port, OWN);
  await until(t, 'the other one is heard', () => received.length > 0);
  t.is(received.length, 1);
});

test('addresses that come later are listened on, and those that go are not any more', async (t) => {
  const { sockets, port, received } = setup(t);
  sockets.setAddresses([]);
  t.is(sockets.ownSip, undefined);
  sockets.setAddresses([OWN]);
  await until(t, 'the first', () => sockets.ownSip?.tcp === true);
  sockets.setAddresses([OWN, '127.0.60.3']);
  await until(t, 'both', () => sockets.ownSip?.addresses.length === 2);
  t.true(sockets.isListening({ address: '127.0.60.3', port }));
  const phone = await tcp(t, port);
  sockets.setAddresses(['127.0.60.3']);
  t.false(sockets.isListening({ address: OWN, port }));
  await once(phone, 'close');
  const other = await udp(t);
  other.send(options('new'), port, '127.0.60.3');
  await until(t, 'the new one is heard', () => received.length === 1);
});

test('a port that is taken is said once with what to do, and taken as soon as it is free', async (t) => {
  const squatter = await udp(t, OWN);
  const { port } = squatter.address();
  const { sockets, log } = setup(t, { port });
  sockets.setAddresses([OWN]);
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  const warnings = log.filter((entry) => entry.startsWith('warn'));
  t.deepEqual(warnings, ['warn SIP: another program has our port']);
  t.is(sockets.ownSip, undefined, 'phones are not led to the other program');
  await new Promise<void>((resolve) => squatter.close(() => resolve()));
  // The teardown of `udp` closes it again.
  squatter.close = (): UdpSocket => squatter;
  await until(t, 'it is ours', () => sockets.ownSip?.tcp === true);
  t.true(log.includes('info SIP: the port is ours now'));
});

test('a stream is cut into messages wherever it is torn, and answers go back by it', async (t) => {
  const { sockets, port, received } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const phone = await tcp(t, port);
  const text = options('1', 30) + options('2') + options('3', 5);
  for (const piece of [text.slice(0, 20), text.slice(20, 110), text.slice(110)]) {
    phone.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await until(t, 'all three', () => received.length === 3);
  const keys = new Set(received.map(({ flow }) => flow.key));
  t.is(keys.size, 1);
  t.deepEqual(
    received.map(({ message }) => message.body.length),
    [30, 0, 5],
  );
  const flow = received[0]?.flow;
  if (flow !== undefined) sockets.send(flow, Buffer.from('answer'));
  const [answer] = (await once(phone, 'data')) as [Buffer];
  t.is(answer.toString(), 'answer');
});

test('the keepalive of a stream, two line ends, is answered with one (RFC 5626 s4.4.1)', async (t) => {
  const { sockets, port, received } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const phone = await tcp(t, port);
  phone.write('\r\n\r\n');
  const [answer] = (await once(phone, 'data')) as [Buffer];
  t.is(answer.toString(), '\r\n');
  phone.write(options('after'));
  await until(t, 'the message after it', () => received.length === 1);
});

test('what is no SIP ends a stream, and it is told that the flow is gone', async (t) => {
  const { sockets, port, closed } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const phone = await tcp(t, port);
  phone.write('GET / HTTP/1.1\r\n\r\n');
  await once(phone, 'close');
  await until(t, 'the flow is gone', () => closed.length === 1);
});

test('a message to where no connection leads opens one, from our own address, and what comes by it is heard', async (t) => {
  const { sockets, port, received, closed } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const server = createServer();
  t.teardown(() => server.close());
  server.listen(0, MEMBER);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const flow = tcpFlow({ local: { address: OWN, port }, remote: { address: MEMBER, port: address.port } });
  sockets.send(flow, Buffer.from(options('out')));
  sockets.send(flow, Buffer.from(options('out again')));
  const [accepted] = (await once(server, 'connection')) as [Socket];
  t.is(accepted.remoteAddress, OWN);
  let heard = '';
  accepted.on('data', (bytes: Buffer) => (heard += bytes.toString()));
  await until(t, 'both came by one connection', () => heard === options('out') + options('out again'));
  accepted.write(options('back'));
  await until(t, 'the answer', () => received.length === 1);
  t.is(received[0]?.flow.key, flow.key);
  accepted.destroy();
  await until(t, 'the flow is gone', () => closed.length === 1);
  t.is(closed[0]?.key, flow.key);
});

test('what is said by a connection to the former life of a host goes by a new one, once', async (t) => {
  const { sockets, closed } = setup(t);
  sockets.setAddresses([OWN]);
  let accepted = 0;
  const heard: string[] = [];
  const server = createServer((socket) => {
    accepted += 1;
    socket.on('error', () => undefined);
    if (accepted === 1) socket.once('data', () => socket.write(options('answer')));
    // A new connection that ends like that is not repeated.
    else socket.on('data', (bytes) => (heard.push(String(bytes)), socket.resetAndDestroy()));
    if (accepted === 1) former = socket;
  });
  let former: Socket | undefined;
  t.teardown(() => server.close());
  server.listen(0, MEMBER);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const flow = tcpFlow({ local: { address: OWN, port: 0 }, remote: { address: MEMBER, port: address.port } });
  sockets.send(flow, Buffer.from(options('one')));
  await until(t, 'the first connection is made', () => former !== undefined && former.bytesWritten > 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  // As the kernel of a host whose program has ended answers: only when something comes.
  sockets.send(flow, Buffer.from(options('two')));
  former?.resetAndDestroy();
  await until(t, 'the message comes by another connection', () => heard.length > 0);
  t.regex(heard[0] ?? '', /Call-ID: two/);
  await until(t, 'its end is told', () => closed.length > 0);
  t.is(accepted, 2);
  t.is(closed.length, 1);
});

test('a connection that cannot be made is told as a flow that is gone', async (t) => {
  const { sockets, port, closed } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const refused = tcpFlow({ local: { address: OWN, port }, remote: { address: MEMBER, port: 9 } });
  sockets.send(refused, Buffer.from(options('refused')));
  const notOurs = tcpFlow({ local: { address: '203.0.113.7', port }, remote: { address: MEMBER, port: 9 } });
  sockets.send(notOurs, Buffer.from(options('not ours')));
  await until(t, 'both are gone', () => closed.length === 2);
  t.deepEqual(closed.map(({ key }) => key).sort(), [refused.key, notOurs.key].sort());
});

test('a phone that reads nothing loses its connection before what waits for it is large', async (t) => {
  const { sockets, port, received, closed } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const phone = await tcp(t, port);
  phone.pause();
  phone.write(options('1'));
  await until(t, 'it is there', () => received.length === 1);
  const flow = received[0]?.flow;
  const large = Buffer.alloc(60_000, 'x');
  for (let sent = 0; flow !== undefined && closed.length === 0 && sent < 1_000; sent++) {
    sockets.send(flow, large);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.is(closed.length, 1);
});

test('programs of this host may have more connections than a member has', async (t) => {
  const { sockets, port, received } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const phones = await Promise.all(Array.from({ length: 24 }, () => tcp(t, port)));
  for (const [i, phone] of phones.entries()) phone.write(options(String(i)));
  await until(t, 'all phones are heard', () => received.length === 24);
});

test('a flood of datagrams is dropped beyond the share of its source, and others are heard', async (t) => {
  const busyMs = 1;
  const { sockets, port, received } = setup(t, {
    onMessage: () => {
      const end = performance.now() + busyMs;
      while (performance.now() < end);
    },
  });
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const flooder = await udp(t);
  t.teardown(() => sockets.stop());
  for (let i = 0; i < 2_000; i++) flooder.send(options(String(i)), port, OWN);
  const other = await udp(t, MEMBER);
  // As SIP does: what the kernel had no room for is sent again.
  const again = setInterval(() => other.send(options('other'), port, OWN), 50);
  t.teardown(() => clearInterval(again));
  await until(t, 'the other one is heard', () => received.some(({ flow }) => flow.remote.address === MEMBER));
  t.true(received.length < 2_000, `${received.length} of 2000`);
});

test('after its stop nothing is heard, and the port is free', async (t) => {
  const { sockets, port, received } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const phone = await tcp(t, port);
  phone.write(options('1'));
  await until(t, 'it is heard', () => received.length === 1);
  await sockets.stop();
  await sockets.stop();
  t.is(sockets.ownSip, undefined);
  const next = createSocket('udp4');
  t.teardown(() => next.close());
  next.bind(port, OWN);
  await once(next, 'listening');
});

test('a bug at a connection that comes closes that one, and the next is taken', async (t) => {
  const { sockets, port, received, guard } = setup(t);
  sockets.setAddresses([OWN]);
  await until(t, 'it listens', () => sockets.ownSip?.tcp === true);
  const makeRoom = sockets['makeRoom'].bind(sockets);
  sockets['makeRoom'] = (address): boolean => {
    sockets['makeRoom'] = makeRoom;
    throw new Error(`a bug at ${address}`);
  };
  const first = await tcp(t, port);
  await once(first, 'close');
  t.is(guard.count, 1);
  const second = await tcp(t, port);
  second.write(options('the next'));
  await until(t, 'it is heard', () => received.length === 1);
});
