import test from 'ava';
import { eventually } from '../../scripts/testbed/command.ts';
import { Host, connect } from './support/host.ts';
import { Relay } from './support/relay.ts';

test('a link moves to other addresses of both families without a new handshake', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const { clientLink, serverLink } = await connect(client, server);
  for (const address of ['127.0.0.2', '::1', '127.0.0.3']) {
    server.plane.bindRemote(serverLink, client.at(address));
    client.plane.setPath(clientLink, client.at(address), server.at(address));
    server.plane.setPath(serverLink, server.at(address), client.at(address));
    client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 1));
    server.plane.sendRecord(serverLink, Uint8Array.of(0x80, 2));
    t.is((await server.next('record')).data[1], 1);
    t.is((await client.next('record')).data[1], 2);
  }
  t.is(client.plane.linkCounters(clientLink)?.handshakes, 1);
  t.is(server.plane.linkCounters(serverLink)?.handshakes, 1);
  client.plane.close();
  server.plane.close();
});

test('datagrams tell the local address they came to, and leave from the one that is asked for', async (t) => {
  const [a, b] = [await Host.start(), await Host.start()];
  a.plane.sendDatagram(a.at('127.0.0.5'), b.at('127.0.0.6'), Uint8Array.of(1, 2, 3));
  const stun = await b.next('stun');
  t.deepEqual([stun.local, stun.remote], [b.at('127.0.0.6'), a.at('127.0.0.5')]);
  t.deepEqual(stun.data, Uint8Array.of(1, 2, 3));
  a.plane.close();
  b.plane.close();
});

test('a path that cannot be used is counted, and the next datagram goes out all the same', async (t) => {
  const [a, b] = [await Host.start(), await Host.start()];
  // 198.51.100.9 is nobody's here: the kernel refuses it as a source.
  a.plane.sendDatagram({ address: '198.51.100.9', port: 1 }, b.at(), Uint8Array.of(1));
  a.plane.sendDatagram(null, b.at(), Uint8Array.of(2));
  t.deepEqual((await b.next('stun')).data, Uint8Array.of(2));
  t.is(a.counter('dropSendFailed'), 1);
  a.plane.close();
  b.plane.close();
});

test('records that come by a bound second path are taken, those from a released one are not', async (t) => {
  // With connection IDs the link would follow the client there.
  const [client, server] = [await Host.start({ connectionIds: false }), await Host.start()];
  const { clientLink, serverLink } = await connect(client, server);
  const relay = await Relay.open(client.plane.port, server.plane.port);
  server.plane.bindRemote(serverLink, relay.serverSide);
  client.plane.setPath(clientLink, null, relay.clientSide);
  client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 1));
  t.is((await server.next('record')).link, serverLink);
  server.plane.unbindRemote(serverLink, relay.serverSide);
  client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 2));
  t.deepEqual((await server.next('unknown')).remote, relay.serverSide);
  t.is(server.counter('dropUnboundRecord'), 1);
  t.deepEqual(server.events, []);
  relay.close();
  client.plane.close();
  server.plane.close();
});

test('a link whose path was taken away sends nothing until it has one again, and hears its peer all the while', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const { clientLink, serverLink } = await connect(client, server);
  client.plane.clearPath(clientLink);
  client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 1));
  server.plane.sendRecord(serverLink, Uint8Array.of(0x80, 2));
  t.is((await client.next('record')).data[1], 2);
  t.is(client.counter('dropNoPath'), 1);
  client.plane.setPath(clientLink, null, server.at());
  client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 3));
  t.is((await server.next('record')).data[1], 3);
  client.plane.clearPath(9_999);
  client.plane.close();
  server.plane.close();
});

test('all paths of a link are told: the one in use, and one that was added and answers', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  t.deepEqual(await client.plane.paths(), []);
  const { clientLink } = await connect(client, server);
  const other = { address: '::1', port: server.plane.port };
  client.plane.addPath(clientLink, { address: '::1', port: client.plane.port }, other, 64);
  const found = await eventually('both paths work', 5_000, async () => {
    const paths = await client.plane.paths();
    return paths.length === 2 && paths.every(({ state }) => state === 'valid') ? paths : undefined;
  });
  t.true(found.every(({ link }) => link === clientLink));
  const [used, spare] = found.toSorted((a, b) => Number(b.active) - Number(a.active));
  t.deepEqual([used?.active, spare?.active], [true, false]);
  t.deepEqual(spare?.remote, other);
  t.true((spare?.rttMs ?? 0) > 0);
  client.plane.close();
  t.deepEqual(await client.plane.paths(), []);
  server.plane.close();
});
