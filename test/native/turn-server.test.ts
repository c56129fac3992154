import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import test from 'ava';
import { encodeStun, decodeStun } from '../../src/stun/codec.ts';
import { Host } from './support/host.ts';

const RELAYED = { address: '127.0.0.2', port: 50_123 };
const SEND_METHOD = 0x006;

async function socketAt(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

async function received(socket: Socket): Promise<Buffer> {
  const [data] = (await once(socket, 'message')) as [Buffer];
  return data;
}

function channelData(channel: number, text: string): Buffer {
  const data = Buffer.from(text);
  return Buffer.concat([Buffer.of(channel >> 8, channel & 0xff, 0, data.length), data]);
}

test('a client reaches the peers that it has a permission for, and no others, and is reached by them', async (t) => {
  const host = await Host.start();
  const { plane } = host;
  const client = await socketAt('127.0.0.1');
  const peer = await socketAt('127.0.0.3');
  const stranger = await socketAt('127.0.0.4');
  const at = (socket: Socket): { address: string; port: number } => socket.address();
  const server = { address: '127.0.0.1', port: plane.port };
  const indicate = (to: Socket, data: string): void => {
    const attributes = { xorPeerAddress: at(to), data: Buffer.from(data) };
    const raw = encodeStun({ class: 'indication', method: SEND_METHOD, transactionId: '0'.repeat(24), attributes });
    client.send(raw, server.port, server.address);
  };

  plane.setTurnQuota(1_000_000);
  t.true(plane.openTurnAllocation(1, { user: 0, local: server, client: at(client) }, RELAYED));
  t.false(plane.openTurnAllocation(2, { user: 0, local: server, client: at(stranger) }, RELAYED));
  plane.permitTurnPeer(1, at(peer), 0);
  // Without a channel: indications, both ways.
  indicate(stranger, 'refused');
  indicate(peer, 'indicated');
  t.is((await received(peer)).toString(), 'indicated');
  t.is(host.counter('dropTurnRefused'), 1);
  stranger.send('refused', RELAYED.port, RELAYED.address);
  peer.send('answered', RELAYED.port, RELAYED.address);
  const { method, attributes } = decodeStun(await received(client));
  t.deepEqual([method, attributes.xorPeerAddress?.port], [7, at(peer).port]);
  t.is(Buffer.from(attributes.data ?? []).toString(), 'answered');
  t.is(host.counter('dropTurnRefused'), 2);

  // With one.
  plane.permitTurnPeer(1, at(peer), 0x4001);
  client.send(channelData(0x4002, 'of no channel'), server.port, server.address);
  client.send(channelData(0x4001, 'by a channel'), server.port, server.address);
  t.is((await received(peer)).toString(), 'by a channel');
  peer.send('back', RELAYED.port, RELAYED.address);
  t.deepEqual(await received(client), channelData(0x4001, 'back'));

  // What listens at the relayed address is of this host, and not within reach, unless it is relayed itself.
  const own = await socketAt(RELAYED.address);
  plane.permitTurnPeer(1, at(own), 0);
  indicate(own, 'refused');
  indicate(peer, 'the last');
  t.is((await received(peer)).toString(), 'the last');
  t.is(host.counter('dropTurnRefused'), 4);
  t.is(host.counter('turnRelayed'), 5);

  plane.closeTurnAllocation(1);
  for (const socket of [client, peer, stranger, own]) socket.close();
  plane.close();
});

test('a client with a relayed address of each family reaches peers of both by their channels, and keeps one when the other is over', async (t) => {
  const host = await Host.start();
  const { plane } = host;
  const client = await socketAt('127.0.0.1');
  const other = await socketAt('127.0.0.1');
  const peer = await socketAt('127.0.0.3');
  const server = { address: '127.0.0.1', port: plane.port };
  // On loopback there is one IPv6 address: what is within reach there is another client's.
  const [own, others] = [
    { address: '::1', port: 50_124 },
    { address: '::1', port: 50_125 },
  ];
  const say = (from: Socket, channel: number, text: string): void =>
    from.send(channelData(channel, text), server.port, server.address);

  plane.setTurnQuota(1_000_000);
  t.true(
    plane.openTurnAllocation(1, { user: 0, local: server, client: client.address() }, { ...RELAYED, port: 50_126 }),
  );
  t.true(plane.openTurnAllocation(2, { user: 0, local: server, client: client.address() }, own));
  t.true(plane.openTurnAllocation(3, { user: 0, local: server, client: other.address() }, others));
  plane.permitTurnPeer(1, peer.address(), 0x4001);
  plane.permitTurnPeer(2, others, 0x4002);
  plane.permitTurnPeer(3, own, 0x4001);
  say(client, 0x4001, 'by IPv4');
  t.is((await received(peer)).toString(), 'by IPv4');
  say(client, 0x4002, 'by IPv6');
  t.deepEqual(await received(other), channelData(0x4001, 'by IPv6'));
  say(other, 0x4001, 'back');
  t.deepEqual(await received(client), channelData(0x4002, 'back'));

  plane.closeTurnAllocation(2);
  say(client, 0x4002, 'refused');
  say(client, 0x4001, 'still by IPv4');
  t.is((await received(peer)).toString(), 'still by IPv4');
  t.is(host.counter('dropTurnRefused'), 1);
  for (const socket of [client, other, peer]) socket.close();
  plane.close();
});
