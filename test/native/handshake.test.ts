import test from 'ava';
import { Host, connect } from './support/host.ts';
import { makeCredentials } from './support/credentials.ts';
import { epochOf, recordsOf } from './support/records.ts';
import { Relay } from './support/relay.ts';

test('two ends that expect each other connect with the same exporter and hold the other certificate', async (t) => {
  const [mine, theirs] = [await makeCredentials('client'), await makeCredentials('server')];
  const client = await Host.start({}, mine);
  const server = await Host.start({}, theirs);
  const pair = await connect(client, server);
  t.is(pair.clientConnected.exporter.length, 32);
  t.deepEqual(pair.clientConnected.exporter, pair.serverConnected.exporter);
  t.deepEqual(pair.clientConnected.certificates, [theirs.certificate]);
  t.deepEqual(pair.serverConnected.certificates, [mine.certificate]);
  t.is(client.plane.linkCounters(pair.clientLink)?.handshakes, 1);
  client.plane.close();
  server.plane.close();
});

test('records arrive whole and in order; echo requests are answered below', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const { clientLink, serverLink } = await connect(client, server);
  const record = Uint8Array.from({ length: 1120 }, (_, i) => (i === 0 ? 0x80 : i & 0xff));
  client.plane.sendRecord(clientLink, record);
  client.plane.sendRecord(clientLink, Uint8Array.of(0x81, 1));
  client.plane.sendRecord(clientLink, Uint8Array.of(0x2f, 2));
  t.deepEqual((await server.next('record')).data, record);
  t.deepEqual((await server.next('record')).data, Uint8Array.of(0x81, 1));
  const third = await server.next('record');
  t.deepEqual(third.data, Uint8Array.of(0x2f, 2));
  t.true(Math.abs(third.at - performance.now()) < 60_000);

  server.plane.sendRecord(serverLink, Uint8Array.of(0x20, 7, 8));
  t.deepEqual((await server.next('record')).data, Uint8Array.of(0x21, 7, 8));
  t.is(client.counter('echoesAnswered'), 1);
  t.deepEqual(client.events, []);
  client.plane.close();
  server.plane.close();
});

test('an end that closes its link is noticed by the other, which forgets it too', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const { clientLink, serverLink } = await connect(client, server);
  client.plane.closeLink(clientLink);
  t.deepEqual(await server.next('closed'), { type: 'closed', link: serverLink, reason: 'closed by the peer' });
  t.is(server.plane.linkCounters(serverLink), undefined);
  t.is(client.plane.linkCounters(clientLink), undefined);
  t.deepEqual(client.events, []);
  client.plane.close();
  server.plane.close();
});

test('a client whom nobody expects proves its address by a cookie and becomes an incoming link', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const link = client.plane.openLink('client');
  client.plane.setPath(link, null, server.at());
  const incoming = await server.next('incoming');
  t.deepEqual(incoming.remote, client.at());
  t.deepEqual(incoming.local, server.at());
  const connected = await server.next('connected');
  t.is(connected.link, incoming.link);
  t.deepEqual((await client.next('connected')).exporter, connected.exporter);
  t.true(server.counter('cookiesSent') >= 1);
  server.plane.sendRecord(incoming.link, Uint8Array.of(0x80));
  t.is((await client.next('record')).link, link);
  client.plane.close();
  server.plane.close();
});

test('a host that starts anew at the same address gets a new link, and the old one stays until it is closed', async (t) => {
  const [first, server] = [await Host.start(), await Host.start()];
  const relay = await Relay.open(first.plane.port, server.plane.port);
  const old = await connect(first, server, { client: relay.serverSide, server: relay.clientSide });
  // The first process dies without a word: its goodbye is lost.
  relay.treatment = () => [];
  const port = first.plane.port;
  first.plane.close();
  await relay.passed(1);
  relay.treatment = (data) => [data];
  const second = await Host.start({ port });
  const link = second.plane.openLink('client');
  second.plane.setPath(link, null, relay.clientSide);
  const incoming = await server.next('incoming');
  const [connected] = await Promise.all([server.next('connected'), second.next('connected')]);
  t.is(connected.link, incoming.link);
  t.not(incoming.link, old.serverLink);
  t.truthy(server.plane.linkCounters(old.serverLink));
  // The remote belongs to the new link now, and closing the old one does not disturb it.
  server.plane.closeLink(old.serverLink);
  second.plane.sendRecord(link, Uint8Array.of(0x80, 1));
  t.is((await server.next('record')).link, incoming.link);
  t.deepEqual(server.events, []);
  relay.close();
  second.plane.close();
  server.plane.close();
});

test('a cookie given before the remote was bound leads to the link that waits for it', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const relay = await Relay.open(client.plane.port, server.plane.port);
  let serverLink = 0;
  relay.treatment = (data, direction) => {
    // The answer to the first ClientHello comes back: only now does the server learn whom to expect.
    if (direction === 'backward' && serverLink === 0) {
      serverLink = server.plane.openLink('server');
      server.plane.bindRemote(serverLink, relay.serverSide);
    }
    return [data];
  };
  client.plane.setPath(client.plane.openLink('client'), null, relay.clientSide);
  t.is((await server.next('connected')).link, serverLink);
  await client.next('connected');
  // More than one when this machine is slow enough for a retransmission.
  t.true(server.counter('cookiesSent') >= 1);
  t.deepEqual(server.events, []);
  relay.close();
  client.plane.close();
  server.plane.close();
});

for (const moment of ['incoming', 'connected'] as const)
  test(`a link opened to wait for a client whose own handshake is ${moment} leaves that alone`, async (t) => {
    const [client, server] = [await Host.start(), await Host.start()];
    const clientLink = client.plane.openLink('client');
    client.plane.setPath(clientLink, null, server.at());
    const early = await server.next(moment);
    const serverLink = server.plane.openLink('server');
    server.plane.setPath(serverLink, null, client.at());
    const connected = moment === 'connected' ? early : await server.next('connected');
    t.is(connected.link, early.link);
    await client.next('connected');
    server.plane.closeLink(serverLink);
    server.plane.sendRecord(early.link, Uint8Array.of(0x80, 1));
    t.is((await client.next('record')).link, clientLink);
    client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 2));
    t.is((await server.next('record')).link, early.link);
    t.is(server.plane.linkCounters(early.link)?.handshakes, 1);
    client.plane.close();
    server.plane.close();
  });

for (const connectionIds of [true, false])
  test(`a link that waits at an address keeps neither records nor the end from the one before it, ${connectionIds ? 'with' : 'without'} connection IDs`, async (t) => {
    const [client, server] = [await Host.start({ connectionIds }), await Host.start()];
    const clientLink = client.plane.openLink('client');
    client.plane.setPath(clientLink, null, server.at());
    const { link } = await server.next('connected');
    await client.next('connected');
    server.plane.setPath(server.plane.openLink('server'), null, client.at());
    client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 1));
    t.is((await server.next('record')).link, link);
    client.plane.closeLink(clientLink);
    t.deepEqual(await server.next('closed'), { type: 'closed', link, reason: 'closed by the peer' });
    client.plane.close();
    server.plane.close();
  });

test('a handshake connects through a path that loses a third of the datagrams and repeats the others', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const relay = await Relay.open(client.plane.port, server.plane.port);
  let state = 7;
  relay.treatment = (data) => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state % 3 === 1 ? [] : [data, data];
  };
  const pair = await connect(client, server, { client: relay.serverSide, server: relay.clientSide });
  t.deepEqual(pair.clientConnected.exporter, pair.serverConnected.exporter);
  relay.treatment = (data) => [data];
  client.plane.sendRecord(pair.clientLink, Uint8Array.of(0x80, 5));
  t.deepEqual((await server.next('record')).data, Uint8Array.of(0x80, 5));
  relay.close();
  client.plane.close();
  server.plane.close();
});

test('a lost last flight is repeated by the server, which is connected already', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const relay = await Relay.open(client.plane.port, server.plane.port);
  let lost = 0;
  relay.treatment = (data, direction) => {
    // The server's last flight begins with ChangeCipherSpec.
    if (direction === 'backward' && data[0] === 20 && lost < 2) {
      lost++;
      return [];
    }
    return [data];
  };
  const pair = await connect(client, server, { client: relay.serverSide, server: relay.clientSide });
  t.is(lost, 2);
  server.plane.sendRecord(pair.serverLink, Uint8Array.of(0x80, 5));
  t.deepEqual((await client.next('record')).data, Uint8Array.of(0x80, 5));
  relay.close();
  client.plane.close();
  server.plane.close();
});

for (const connectionIds of [true, false]) {
  test(`a peer ${connectionIds ? 'with' : 'without'} connection IDs that repeats its last flight for ever is answered a few times, and the link carries on`, async (t) => {
    const [client, server] = [await Host.start({ connectionIds }), await Host.start()];
    const relay = await Relay.open(client.plane.port, server.plane.port);
    let finished: Uint8Array | undefined;
    let answers = 0;
    relay.treatment = (data, direction) => {
      if (direction === 'backward' && data[0] === 20) answers++;
      if (direction === 'forward')
        finished ??= recordsOf(data)
          .find((record) => epochOf(record) === 1)
          ?.slice();
      return [data];
    };
    const { clientLink, serverLink } = await connect(client, server, {
      client: relay.serverSide,
      server: relay.clientSide,
    });
    if (finished === undefined) throw new Error('no Finished was seen');
    const repeat = finished;
    relay.treatment = (data, direction) => {
      if (direction === 'backward' && data[0] === 20) answers++;
      return direction === 'forward' ? [...Array<Uint8Array>(20).fill(repeat), data] : [data];
    };
    client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 5));
    t.deepEqual((await server.next('record')).data, Uint8Array.of(0x80, 5));
    server.plane.sendRecord(serverLink, Uint8Array.of(0x80, 6));
    t.deepEqual((await client.next('record')).data, Uint8Array.of(0x80, 6));
    // All of them, for a client that had to wait for a slow server has repeated its flight on its own too.
    t.is(answers, 1 + 8);
    relay.close();
    client.plane.close();
    server.plane.close();
  });
}

test('a link without credentials ends with a reason', async (t) => {
  const server = await Host.start();
  const { createDataPlane } = await import('../../src/native/native.ts');
  const client = new Host(createDataPlane({ port: 0, tun: null }));
  const link = client.plane.openLink('client');
  client.plane.setPath(link, null, server.at());
  const closed = await client.next('closed');
  t.is(closed.link, link);
  t.regex(closed.reason, /credentials/);
  client.plane.close();
  server.plane.close();
});
