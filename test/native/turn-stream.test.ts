import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import test from 'ava';
import { toAllocationAddress } from '../../src/base/allocation-address.ts';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { TURN_SERVER_LOCAL_ADDRESS, toStreamAddress } from '../../src/base/stream-address.ts';
import { RELOAD_DATA_FRAME } from '../../src/native/data-plane.ts';
import { encodeStun } from '../../src/stun/codec.ts';
import { Host } from './support/host.ts';
import { makeCertificateFor } from './support/named-certificate.ts';

const NAME = 'turn.example.org';
const CHANNEL = 0x4001;
const RELAYED = [
  { address: '192.0.2.1', port: 50_001 },
  { address: '192.0.2.1', port: 50_002 },
] as const;

/** A TCP server, over TLS or not, whose connections are taken in order. */
class Streams {
  readonly authority: string;
  private readonly server: Server;
  private readonly accepted: Socket[] = [];
  private wake = (): void => {};

  private constructor(server: Server, authority: string) {
    this.server = server;
    this.authority = authority;
    server.on(authority === '' ? 'connection' : 'secureConnection', (socket: Socket) => {
      socket.on('error', () => {});
      this.accepted.push(socket);
      this.wake();
    });
    // A client that refuses the certificate.
    server.on('tlsClientError', () => {});
  }

  static async open(over: 'tcp' | 'tls'): Promise<Streams> {
    if (over === 'tcp') return Streams.listen(createServer({ noDelay: true }), '');
    const { certificates, key } = await makeCertificateFor(NAME);
    return Streams.listen(createTlsServer({ key, cert: certificates, noDelay: true }), certificates);
  }

  private static async listen(server: Server, authority: string): Promise<Streams> {
    const streams = new Streams(server, authority);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return streams;
  }

  get remote(): SocketAddress {
    return toStreamAddress(this.server.address() as AddressInfo);
  }

  async next(): Promise<Socket> {
    for (;;) {
      const socket = this.accepted.shift();
      if (socket !== undefined) return socket;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  close(): void {
    this.server.close();
  }
}

function localOf(host: Host): SocketAddress {
  return { address: TURN_SERVER_LOCAL_ADDRESS, port: host.plane.port };
}

for (const over of ['tcp', 'tls'] as const)
  test(`two hosts shake hands and exchange records by a TURN server over ${over.toUpperCase()} alone, and hear of its end`, async (t) => {
    const server = await Streams.open(over);
    const tls = over === 'tls' ? { name: NAME, authorities: server.authority } : null;
    const [a, b] = [await Host.start(), await Host.start()];
    const sockets: Socket[] = [];
    for (const [i, host] of [a, b].entries()) {
      host.plane.dialTurnServer(i + 1, server.remote, tls);
      sockets.push(await server.next());
    }
    const [first, second] = sockets;
    if (first === undefined || second === undefined) throw new Error('two were accepted');
    // What one says in its channel the other hears in its own, as if it had come from there.
    first.pipe(second);
    second.pipe(first);
    const links = [a, b].map((host, i) => {
      const [own, other] = i === 0 ? RELAYED : [RELAYED[1], RELAYED[0]];
      const allocation = toAllocationAddress(own);
      host.plane.setTurnChannel(allocation, other, { local: localOf(host), server: server.remote, channel: CHANNEL });
      const link = host.plane.openLink(i === 0 ? 'client' : 'server');
      return { host, link, local: { address: allocation, port: host.plane.port }, other };
    });
    for (const { host, link, local, other } of links.toReversed()) host.plane.setPath(link, local, other);
    await Promise.all([a.next('connected'), b.next('connected')]);
    // Of every length that is padded in another way.
    for (const length of [1, 2, 3, 4, 1_117, 1_118, 1_119, 1_120])
      for (const [from, to] of [
        [links[0], b],
        [links[1], a],
      ] as const) {
        const record = Buffer.alloc(length, RELOAD_DATA_FRAME);
        if (from !== undefined) from.host.plane.sendRecord(from.link, record);
        t.deepEqual(Buffer.from((await to.next('record')).data), record);
      }
    t.is(a.counter('turnSent'), b.counter('turnReceived'));
    t.is(b.counter('turnSent'), a.counter('turnReceived'));
    t.is(a.counter('dropTurnRefused') + b.counter('dropTurnRefused'), 0);

    first.unpipe(second);
    first.resume();
    first.end();
    t.deepEqual(await a.next('turnEnded'), {
      type: 'turnEnded',
      stream: 1,
      reason: 'it has closed the connection',
    });
    // Hung up by this end: no word of it.
    b.plane.hangUpTurnServer(2);
    if (!second.readableEnded) await once(second, 'end');
    t.deepEqual(
      b.events.filter(({ type }) => type === 'turnEnded'),
      [],
    );
    server.close();
    for (const host of [a, b]) host.plane.close();
  });

test('what a TURN server says in STUN comes up from its stream, and what is said to it goes there as it is', async (t) => {
  const server = await Streams.open('tcp');
  const host = await Host.start();
  host.plane.dialTurnServer(1, server.remote, null);
  const socket = await server.next();
  const request = encodeStun({ class: 'request', method: 3, transactionId: '0'.repeat(24), attributes: {} });
  host.plane.sendDatagram(localOf(host), server.remote, request);
  const [heard] = (await once(socket, 'data')) as [Buffer];
  t.deepEqual(heard, Buffer.from(request));
  const answer = encodeStun({ class: 'success', method: 3, transactionId: '0'.repeat(24), attributes: {} });
  socket.write(answer.subarray(0, 7));
  socket.write(answer.subarray(7));
  const event = await host.next('stun');
  t.deepEqual([event.local, event.remote], [localOf(host), server.remote]);
  t.deepEqual(Buffer.from(event.data), Buffer.from(answer));
  // DTLS of its own it has none.
  socket.write(Buffer.of(0x16, 0xfe, 0xfd, 0));
  t.is((await host.next('turnEnded')).reason, 'what it says is none of the datagrams expected');
  server.close();
  host.plane.close();
});

test('of a member over TLS no certificate is looked at: the secrets of its link vouch for what it says', async (t) => {
  const server = await Streams.open('tls');
  const host = await Host.start();
  host.plane.dialTurnServer(1, server.remote, 'member');
  const socket = await server.next();
  const request = encodeStun({ class: 'request', method: 3, transactionId: '0'.repeat(24), attributes: {} });
  host.plane.sendDatagram(localOf(host), server.remote, request);
  const [heard] = (await once(socket, 'data')) as [Buffer];
  t.deepEqual(heard, Buffer.from(request));
  server.close();
  host.plane.close();
});

test('a TURN server that does not prove its name is told nothing', async (t) => {
  const server = await Streams.open('tls');
  const host = await Host.start();
  const cases = [
    [{ name: 'other.example.org', authorities: server.authority }, 'its certificate is refused: hostname mismatch'],
    // Of those that the system trusts none has vouched for it.
    [{ name: NAME, authorities: '' }, 'its certificate is refused: self-signed certificate'],
    [{ name: NAME, authorities: 'none' }, 'there is no certificate in ca_file'],
  ] as const;
  for (const [i, [tls, reason]] of cases.entries()) {
    host.plane.dialTurnServer(i, server.remote, tls);
    host.plane.sendDatagram(localOf(host), server.remote, Buffer.of(1, 1, 0, 0, ...Buffer.alloc(16)));
    t.deepEqual(await host.next('turnEnded'), { type: 'turnEnded', stream: i, reason });
  }
  server.close();
  host.plane.close();
});
