import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { toStreamAddress } from '../../src/base/stream-address.ts';
import { encodeStun } from '../../src/stun/codec.ts';
import { freePort } from './support/free-port.ts';
import { Host } from './support/host.ts';
import { makeCertificateFor } from './support/named-certificate.ts';

const NAME = 'turn.example.org';
const CHANNEL = 0x4001;
const LISTENER = '127.0.0.1';

async function peerAt(address: string): Promise<Datagrams> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

function channelData(text: string): Buffer {
  const padding = (4 - (text.length % 4)) % 4;
  return Buffer.concat([Buffer.of(0x40, 1, 0, text.length), Buffer.from(text), Buffer.alloc(padding)]);
}

const REQUEST = encodeStun({ class: 'request', method: 3, transactionId: '0'.repeat(24), attributes: {} });

/** A host that takes TURN clients at a port. */
class Server {
  readonly host: Host;
  readonly port: number;

  private constructor(host: Host, port: number) {
    this.host = host;
    this.port = port;
  }

  static async start(certificate?: { certificates: string; key: string }): Promise<Server> {
    const port = await freePort(LISTENER);
    const listen = [{ address: LISTENER, port }];
    const streams = { listen, serverName: null, alpn: ['http/1.1'], servesTurn: true };
    const host = await Host.start({ streams: { ...streams, ...(certificate !== undefined && { certificate }) } });
    host.plane.setTurnQuota(1_000_000_000);
    return new Server(host, port);
  }

  /** By TCP, and it has said something. */
  async client(): Promise<{ socket: Socket; local: SocketAddress; remote: SocketAddress }> {
    const socket = connect(this.port, LISTENER);
    socket.on('error', () => {});
    await once(socket, 'connect');
    return { socket, ...(await this.heard(socket)) };
  }

  async heard(socket: Socket): Promise<{ local: SocketAddress; remote: SocketAddress }> {
    socket.write(REQUEST);
    const { localAddress: address = '', localPort: port = 0 } = socket;
    const expected = toStreamAddress({ address, port });
    const { local, remote } = await this.host.next('stun', (event) => event.remote.port === expected.port);
    return { local, remote };
  }
}

for (const over of ['tcp', 'tls'] as const)
  test(`a client over ${over.toUpperCase()} is heard with both its addresses, reaches its peer by a channel, and its allocation ends with its stream`, async (t) => {
    const certificate = await makeCertificateFor(NAME);
    const server = await Server.start(certificate);
    const { host } = server;
    const relayed = { address: '127.0.0.2', port: over === 'tcp' ? 50_201 : 50_202 };
    const socket =
      over === 'tcp'
        ? connect(server.port, LISTENER)
        : connectTls({
            ...{ host: LISTENER, port: server.port, servername: NAME, ALPNProtocols: ['stun.turn'] },
            ca: certificate.certificates,
          });
    await once(socket, over === 'tcp' ? 'connect' : 'secureConnect');
    const { local, remote } = await server.heard(socket);
    t.deepEqual(
      [local.address, remote.address],
      [toStreamAddress({ address: LISTENER, port: 0 }).address, local.address],
    );

    const peer = await peerAt('127.0.0.3');
    t.true(host.plane.openTurnAllocation(1, { user: 0, local, client: remote }, relayed));
    host.plane.permitTurnPeer(1, peer.address(), CHANNEL);
    host.plane.sendDatagram(local, remote, REQUEST);
    t.deepEqual((await once(socket, 'data'))[0], Buffer.from(REQUEST));
    // In pieces, and two in one.
    const both = Buffer.concat([channelData('first'), channelData('second one')]);
    socket.write(both.subarray(0, 7));
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(both.subarray(7));
    for (const expected of ['first', 'second one']) {
      const [data] = (await once(peer, 'message')) as [Buffer];
      t.is(data.toString(), expected);
    }
    peer.send('answer', relayed.port, relayed.address);
    t.deepEqual((await once(socket, 'data'))[0], channelData('answer'));

    socket.destroy();
    t.deepEqual(await host.next('turnLeft'), { type: 'turnLeft', local, remote });
    // The port is free.
    const again = await server.client();
    t.true(host.plane.openTurnAllocation(2, { user: 0, local, client: again.remote }, relayed));
    again.socket.destroy();
    await host.next('turnLeft');
    peer.close();
    host.plane.close();
  });

test('a client that has left before it got its allocation has none', async (t) => {
  const server = await Server.start();
  const { host } = server;
  const { socket, local, remote } = await server.client();
  socket.destroy();
  await host.reached('streamsEnded', 1);
  const relayed = { address: '127.0.0.2', port: 50_203 };
  t.true(host.plane.openTurnAllocation(1, { user: 0, local, client: remote }, relayed));
  t.deepEqual(await host.next('turnLeft'), { type: 'turnLeft', local, remote });
  const free = createSocket('udp4').bind(relayed.port, relayed.address);
  await once(free, 'listening');
  free.close();
  host.plane.close();
});

test('for a client that reads nothing datagrams are dropped, and another one is served meanwhile', async (t) => {
  const server = await Server.start();
  const { host } = server;
  const [slow, quick] = [await server.client(), await server.client()];
  slow.socket.pause();
  const peer = await peerAt('127.0.0.3');
  const ports = [50_204, 50_205] as const;
  for (const [i, { local, remote }] of [slow, quick].entries()) {
    const relayed = { address: '127.0.0.2', port: ports[i] ?? 0 };
    t.true(host.plane.openTurnAllocation(i, { user: i, local, client: remote }, relayed));
    host.plane.permitTurnPeer(i, peer.address(), CHANNEL);
  }
  const large = Buffer.alloc(1_400);
  while (host.counter('dropStreamFull') === 0)
    await new Promise((resolve) => peer.send(large, ports[0], '127.0.0.2', resolve));
  peer.send('quick', ports[1], '127.0.0.2');
  t.deepEqual((await once(quick.socket, 'data'))[0], channelData('quick'));
  for (const { socket } of [slow, quick]) socket.destroy();
  peer.close();
  host.plane.close();
});

test('what is no message of TURN ends the stream of a client; of a link it has none, and DTLS does not come up', async (t) => {
  const server = await Server.start();
  const { host } = server;
  const { socket } = await server.client();
  const over = once(socket, 'close');
  socket.write(Buffer.of(0x16, 0xfe, 0xfd, 0));
  socket.resume();
  await over;
  t.deepEqual(
    host.events.filter(({ type }) => type !== 'network'),
    [],
  );
  host.plane.close();
});
