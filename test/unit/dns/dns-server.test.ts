import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import dnsPacket from 'dns-packet';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { DnsServer } from '../../../src/dns/dns-server.ts';
import { frameMessage, MessageStream } from '../../../src/dns/message-stream.ts';
import type { UpstreamEvents, UpstreamTransport } from '../../../src/dns/forwarder.ts';
import type { NameLookup } from '../../../src/dns/name-lookup.ts';
import { reportingTransport } from '../../../src/dns/upstream-transport.ts';

const lookup: NameLookup = {
  lookupName: (name, done) =>
    done(
      name === 'bob'
        ? { status: 'found', hosts: [{ hit: '20010020000000000000000000000b0b', ipv4: '198.18.0.9', name: 'bob' }] }
        : { status: 'absent' },
    ),
  lookupHit: (_hit, done) => done({ status: 'absent' }),
  lookupIpv4: (_address, done) => done({ status: 'absent' }),
};

async function start(t: ExecutionContext, upstreams: readonly SocketAddress[] = []) {
  const reported: string[] = [];
  const report = (what: string): void => void reported.push(what);
  const server = new DnsServer(
    { clock: systemClock, random: systemRandom, logger: silentLogger, report },
    { listen: { address: '127.0.0.1', port: 0 }, upstreams },
  );
  server.serve({ lookup, overlay: 'home.example', ipv4Prefix: '198.18.0.0/15' });
  const at = await server.start();
  t.teardown(() => server.stop());
  return { server, at, reported };
}

async function ask(at: SocketAddress, query: Uint8Array): Promise<Buffer> {
  const socket = createSocket('udp4');
  socket.send(query, at.port, at.address);
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return answer;
}

async function askTcp(at: SocketAddress, query: Uint8Array): Promise<Buffer> {
  const socket = connect(at.port, at.address);
  const stream = new MessageStream();
  socket.write(frameMessage(query));
  for await (const chunk of socket) {
    const [message] = stream.push(chunk as Buffer);
    if (message === undefined) continue;
    socket.destroy();
    return Buffer.from(message);
  }
  throw new Error('no answer');
}

function query(name: string, type: dnsPacket.RecordType, additionals: dnsPacket.Answer[] = []): Buffer {
  return dnsPacket.encode({
    type: 'query',
    id: 77,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type, name }],
    additionals,
  });
}

const opt: dnsPacket.OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 4096,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

/** An upstream server that answers every A with 192.0.2.80. */
async function startUpstream(t: ExecutionContext): Promise<SocketAddress> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  socket.on('message', (bytes, from) => {
    const { id = 0, questions = [] } = dnsPacket.decode(bytes);
    const name = questions[0]?.name ?? '';
    const answers: dnsPacket.Answer[] = [{ type: 'A', name, ttl: 60, data: '192.0.2.80' }];
    socket.send(dnsPacket.encode({ type: 'response', id, questions, answers }), from.port, from.address);
  });
  return { address: '127.0.0.1', port: socket.address().port };
}

test('a name of the overlay is answered over UDP and over TCP', async (t) => {
  const { at } = await start(t);
  for (const exchange of [ask, askTcp]) {
    const answer = dnsPacket.decode(await exchange(at, query('BoB.home.example', 'AAAA')));
    t.is(answer.id, 77);
    t.true(answer.flag_aa);
    t.true(answer.flag_rd);
    t.is(answer.questions?.[0]?.name, 'BoB.home.example');
    t.like(answer.answers?.[0], { type: 'AAAA', data: '2001:20::b0b' });
  }
});

test('EDNS is answered in kind, and an EDNS version of the future is refused', async (t) => {
  const { at } = await start(t);
  const answer = dnsPacket.decode(await ask(at, query('_sip._udp.bob.home.example', 'SRV', [opt])));
  t.deepEqual(
    answer.additionals?.map((record) => record.type),
    ['AAAA', 'A', 'OPT'],
  );
  const future = dnsPacket.decode(await ask(at, query('bob.home.example', 'A', [{ ...opt, ednsVersion: 1 }])));
  t.like(future.additionals?.[0], { type: 'OPT', extendedRcode: 1 });
});

test('bad bytes are answered with FORMERR, or not at all when they are no query; the next query is answered', async (t) => {
  const { at, server } = await start(t);
  const noQuestion = Buffer.from('004d01000000000000000000', 'hex');
  const shortName = Buffer.from('004d010000010000000000003f61', 'hex');
  const looping = Buffer.from('004d01000001000000000000c00c00010001', 'hex');
  for (const bytes of [noQuestion, shortName, looping]) {
    const answer = await ask(at, bytes);
    t.is(answer.readUInt16BE(0), 77);
    t.is((answer[3] ?? 0) & 0xf, 1);
    t.true(answer.length <= bytes.length);
  }
  const socket = createSocket('udp4');
  socket.connect(at.port, at.address);
  await once(socket, 'connect');
  socket.send(Buffer.from('00'));
  const response = query('bob.home.example', 'A');
  response[2] = 0x80;
  socket.send(response);
  socket.send(query('eve.home.example', 'A'));
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  t.is((answer[3] ?? 0) & 0xf, 3);
  t.is(server.counters.dropped, 2);
  t.is(server.counters.formerr, 3);
});

test('the rest of the DNS comes from the upstream server', async (t) => {
  const upstream = await startUpstream(t);
  const { at, server } = await start(t, [upstream]);
  const answer = dnsPacket.decode(await ask(at, query('www.example.net', 'A')));
  t.is(answer.id, 77);
  t.like(answer.answers?.[0], { data: '192.0.2.80' });
  t.is(server.counters.forwarded, 1);
});

test('an upstream server whose port is closed, or none at all, gives SERVFAIL at once', async (t) => {
  const closed = createSocket('udp4');
  closed.bind(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  await once(closed, 'close');
  for (const upstreams of [[], [{ address: '127.0.0.1', port }]]) {
    const { at } = await start(t, upstreams);
    const answer = await ask(at, query('www.example.net', 'A'));
    t.is((answer[3] ?? 0) & 0xf, 2);
    t.is(answer.readUInt16BE(0), 77);
  }
});

test('an upstream server that no route leads to is followed by the next; where there is no other it gives SERVFAIL', async (t) => {
  // Nobody may send there without being asked for it (EACCES): as connect(2) refuses where the network is gone.
  const unreachable = { address: '255.255.255.255', port: 53 };
  const { at } = await start(t, [unreachable]);
  t.is(((await ask(at, query('www.example.net', 'A')))[3] ?? 0) & 0xf, 2);
  const second = await start(t, [unreachable, await startUpstream(t)]);
  const answer = dnsPacket.decode(await ask(second.at, query('www.example.net', 'A')));
  t.like(answer.answers?.[0], { data: '192.0.2.80' });
});

test('a bug in what becomes of an answer is reported, and costs that question: SERVFAIL, and the next one is answered', async (t) => {
  const { at, server, reported } = await start(t);
  const later: NameLookup = {
    ...lookup,
    lookupName: (name, done) =>
      void setImmediate(() => {
        if (name === 'bob') lookup.lookupName(name, done);
        else done({ status: 'found', hosts: [{ hit: 'no HIT', ipv4: undefined, name }] });
      }),
  };
  server.serve({ lookup: later, overlay: 'home.example', ipv4Prefix: '198.18.0.0/15' });
  for (const exchange of [ask, askTcp]) {
    t.is(((await exchange(at, query('eve.home.example', 'AAAA')))[3] ?? 0) & 0xf, 2);
    t.is(((await exchange(at, query('bob.home.example', 'AAAA')))[3] ?? 0) & 0xf, 0);
  }
  t.deepEqual(reported, ['dns answer', 'dns answer']);
});

test('what is thrown at an answer of an upstream server is reported, and ends nothing else', (t) => {
  const reported: string[] = [];
  const [bytes, server] = [new Uint8Array(), { address: '192.0.2.1', port: 53 }];
  const given: UpstreamEvents[] = [];
  const open: UpstreamTransport['udp'] = (_server, _query, events) => {
    given.push(events);
    return { close: () => undefined };
  };
  const transport = reportingTransport({ udp: open, tcp: open }, (what) => void reported.push(what));
  const bug = (): never => {
    throw new Error('a bug');
  };
  transport.udp(server, bytes, { message: bug, failed: bug });
  transport.tcp(server, bytes, { message: bug, failed: bug });
  for (const { message, failed } of given) {
    message(bytes);
    failed();
  }
  t.is(reported.length, 4);
});

test('an address that is taken is one line that says what to do', async (t) => {
  const { at } = await start(t);
  const second = new DnsServer(
    { clock: systemClock, random: systemRandom, logger: silentLogger, report: () => {} },
    { listen: at },
  );
  const error = await t.throwsAsync(second.start());
  t.is(error.message, `DNS on ${at.address}:${at.port}: another program has that port: choose another with dns.listen`);
});

test('a stub answers for the overlay that the host is in now, and for none in between', async (t) => {
  const { at, server } = await start(t);
  const rcodeOf = async (name: string): Promise<number> => ((await ask(at, query(name, 'AAAA')))[3] ?? 0) & 0xf;
  t.is(await rcodeOf('bob.home.example'), 0);
  server.serve(undefined);
  // Nobody to forward to.
  t.is(await rcodeOf('bob.home.example'), 2);
  server.serve({ lookup, overlay: 'other.example', ipv4Prefix: undefined });
  t.is(await rcodeOf('bob.home.example'), 2);
  t.is(await rcodeOf('bob.other.example'), 0);
});

test('stopping twice, also with a TCP client connected, ends', async (t) => {
  const { at, server } = await start(t);
  const client = connect(at.port, at.address);
  await once(client, 'connect');
  await Promise.all([server.stop(), server.stop(), once(client, 'close')]);
  await server.stop();
  t.pass();
});
