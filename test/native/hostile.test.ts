import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { Host, connect } from './support/host.ts';
import { headerBytesOf } from './support/records.ts';
import { Relay, openSocket, receiveOne } from './support/relay.ts';
import type { Direction } from './support/relay.ts';

const HALF_OPEN_LIMIT = 8;

/**
 * A short record of data of the client. On a slow machine handshakes are repeated between them, and connection IDs hide the
 * type (RFC 9146 s4), but a Finished message is longer.
 */
function isData(data: Uint8Array, direction: Direction): boolean {
  const [explicitNonce, tag, most] = [8, 16, 8];
  const isProtected = data[0] === 23 || data[0] === 25;
  return direction === 'forward' && isProtected && data.length <= headerBytesOf(data) + explicitNonce + tag + most;
}

/** The ClientHello of a host, as it leaves. */
async function captureClientHello(): Promise<Uint8Array> {
  const [host, socket] = [await Host.start(), await openSocket()];
  host.plane.setPath(host.plane.openLink('client'), null, { address: '127.0.0.1', port: socket.address().port });
  const hello = await receiveOne(socket);
  socket.close();
  host.plane.close();
  return hello;
}

/** The second ClientHello: the first one with the cookie of a HelloVerifyRequest (RFC 6347 s4.2.1). */
function withCookie(hello: Uint8Array, verifyRequest: Uint8Array): Uint8Array {
  const cookie = verifyRequest.subarray(13 + 12 + 3);
  const cookieAt = 13 + 12 + 2 + 32 + 1 + (hello[59] ?? 0);
  const out = Buffer.concat([
    hello.subarray(0, cookieAt),
    Uint8Array.of(cookie.length),
    cookie,
    hello.subarray(cookieAt + 1),
  ]);
  out.writeUInt16BE(1, 9); // record sequence
  out.writeUInt16BE(out.length - 13, 11);
  out.writeUIntBE(out.length - 25, 14, 3);
  out.writeUInt16BE(1, 17); // message sequence
  out.writeUIntBE(out.length - 25, 22, 3);
  return Uint8Array.from(out);
}

test('garbage is counted and gets no answer', async (t) => {
  const [host, socket] = [await Host.start(), await openSocket()];
  let answered = 0;
  socket.on('message', (data) => (answered += data.length));
  let sent = 0;
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 4, max: 255 }), (data, first) => {
      data[0] = first;
      socket.send(data, host.plane.port, '127.0.0.1');
      sent++;
    }),
    { numRuns: 500 },
  );
  await host.reached('udpReceivedDatagrams', sent);
  t.is(host.counter('udpSentDatagrams'), 0);
  t.is(answered, 0);
  socket.close();
  host.plane.close();
});

test('a changed ClientHello brings back fewer bytes than it had, whatever was changed', async (t) => {
  const hello = await captureClientHello();
  const [host, socket] = [await Host.start(), await openSocket()];
  let answered = 0;
  socket.on('message', (data) => (answered += data.length));
  let sent = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.integer({ min: 14, max: hello.length }),
      fc.boolean(),
      (changes, length, whole) => {
        const data = Uint8Array.from(hello);
        for (const [at, value] of changes) if (at > 0) data[at] = value;
        const piece = whole ? data : data.subarray(0, length);
        sent += piece.length;
        socket.send(piece, host.plane.port, '127.0.0.1');
      },
    ),
    { numRuns: 500 },
  );
  socket.send(Uint8Array.of(0), host.plane.port, '127.0.0.1');
  await host.next('stun');
  t.true(host.counter('cookiesSent') > 0);
  t.true(host.counter('udpSentBytes') < sent);
  t.true(answered < sent);
  t.is(host.counter('handshakesStarted'), 0);
  t.deepEqual(
    host.events.filter((event) => event.type !== 'unknown'),
    [],
  );
  socket.close();
  host.plane.close();
});

test('a cookie counts for the address it was sent to only', async (t) => {
  const hello = await captureClientHello();
  const [host, first, second] = [await Host.start(), await openSocket(), await openSocket()];
  first.send(hello, host.plane.port, '127.0.0.1');
  const second_hello = withCookie(hello, await receiveOne(first));
  second.send(second_hello, host.plane.port, '127.0.0.1');
  const again = await receiveOne(second);
  t.is(again[13], 3, 'another HelloVerifyRequest');
  t.is(host.counter('handshakesStarted'), 0);
  first.send(second_hello, host.plane.port, '127.0.0.1');
  t.is((await host.next('incoming')).remote.port, first.address().port);
  first.close();
  second.close();
  host.plane.close();
});

test('more half-open handshakes than the bound end the oldest', async (t) => {
  const hello = await captureClientHello();
  const host = await Host.start({ limits: { halfOpenHandshakes: HALF_OPEN_LIMIT } });
  const sockets = await Promise.all(Array.from({ length: HALF_OPEN_LIMIT + 3 }, openSocket));
  const links: number[] = [];
  for (const socket of sockets) {
    socket.send(hello, host.plane.port, '127.0.0.1');
    socket.send(withCookie(hello, await receiveOne(socket)), host.plane.port, '127.0.0.1');
    links.push((await host.next('incoming')).link);
  }
  for (const link of links.slice(0, 3)) t.is((await host.next('closed')).link, link);
  t.is(host.counter('dropHalfOpen'), 3);
  for (const socket of sockets) socket.close();
  host.plane.close();
});

test('records that were changed on the way are dropped and the link lives', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const relay = await Relay.open(client.plane.port, server.plane.port);
  const { clientLink } = await connect(client, server, { client: relay.serverSide, server: relay.clientSide });
  const random = fc.sample(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { numRuns: 300, seed: 1 });
  let at = 0;
  relay.treatment = (data) => {
    const [position, flip] = random[at++ % random.length] ?? [0, 1];
    const changed = Uint8Array.from(data);
    const index = position % data.length;
    changed[index] = (changed[index] ?? 0) ^ flip;
    return [changed];
  };
  for (let i = 0; i < random.length; i++) {
    const before = server.counter('udpReceivedDatagrams');
    client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 1, 2, 3));
    await server.reached('udpReceivedDatagrams', before + 1);
  }
  relay.treatment = (data) => [data];
  client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 99));
  const record = await server.next('record');
  t.deepEqual(record.data, Uint8Array.of(0x80, 99));
  t.true(server.counter('dropBadRecord') > 0);
  t.is(server.events.filter((event) => event.type === 'closed' || event.type === 'record').length, 0);
  relay.close();
  client.plane.close();
  server.plane.close();
});

test('records that are repeated or reordered are delivered once each', async (t) => {
  const total = 200;
  const [client, server] = [await Host.start(), await Host.start({ limits: { linkEvents: total } })];
  const relay = await Relay.open(client.plane.port, server.plane.port);
  const { clientLink } = await connect(client, server, { client: relay.serverSide, server: relay.clientSide });
  const held: Uint8Array[] = [];
  relay.treatment = (data, direction) => {
    if (!isData(data, direction)) return [data];
    held.push(data);
    if (held.length < total) return [];
    return [...held.reverse(), ...held];
  };
  for (let i = 0; i < total; i++) client.plane.sendRecord(clientLink, Uint8Array.of(0x80, i));
  const seen = new Set<number | undefined>();
  for (let i = 0; i < total; i++) seen.add((await server.next('record')).data[1]);
  t.is(seen.size, total);
  await server.reached('dropReplayed', total);
  t.deepEqual(server.events, []);
  relay.close();
  client.plane.close();
  server.plane.close();
});

test('a flood of datagrams for JavaScript is bounded, and what happens to links still comes through', async (t) => {
  const [host, peer] = [await Host.start(), await Host.start()];
  const { clientLink, serverLink } = await connect(peer, host);
  const flood = 3500;
  const burst = 100;
  // The event loop of this test is busy throughout: nobody takes events. A burst fits the socket's buffer.
  for (let sent = burst; sent <= flood; sent += burst) {
    for (let i = 0; i < burst; i++) peer.plane.sendDatagram(null, host.at(), new Uint8Array(1400));
    while (host.counter('stunReceived') < sent);
  }
  t.true(host.counter('dropEventsFull') > 0);
  peer.plane.closeLink(clientLink);
  t.is((await host.next('closed')).link, serverLink);
  host.plane.close();
  peer.plane.close();
});

test('a stranger’s flood of STUN ends below JavaScript, and that of a link passes', async (t) => {
  const [host, peer, socket] = [await Host.start(), await Host.start(), await openSocket()];
  await connect(peer, host);
  let sent = 0;
  while (host.counter('dropStunFlood') === 0) {
    for (let i = 0; i < 100; i++) socket.send(Uint8Array.of(0, 1, 2), host.plane.port, '127.0.0.1');
    sent += 100;
    while (host.counter('stunReceived') < sent) await setImmediate();
  }
  const flooded = host.counter('stunReceived') - host.counter('dropStunFlood');
  peer.plane.sendDatagram(null, host.at(), Uint8Array.of(0, 1));
  const event = await host.next('stun', ({ remote }) => remote.port === peer.plane.port);
  t.is(event.data.length, 2);
  t.true(flooded < sent);
  socket.close();
  host.plane.close();
  peer.plane.close();
});

test('records that are cut off, or longer than DTLS allows, are counted and dropped, and the link lives', async (t) => {
  const [client, server] = [await Host.start(), await Host.start()];
  const relay = await Relay.open(client.plane.port, server.plane.port);
  const { clientLink } = await connect(client, server, { client: relay.serverSide, server: relay.clientSide });
  const oversized = (data: Uint8Array): Uint8Array => {
    const out = Buffer.concat([data, Buffer.alloc(20_000)]);
    const header = headerBytesOf(out);
    out.writeUInt16BE(out.length - header, header - 2);
    return out;
  };
  const cut = (data: Uint8Array): Uint8Array => data.subarray(0, -1);
  for (const [counter, treatment] of [
    ['dropOversizedRecord', oversized],
    ['dropBadRecord', cut],
  ] as const) {
    relay.treatment = (data, direction) => (isData(data, direction) ? [treatment(data), data] : [data]);
    client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 1));
    t.deepEqual((await server.next('record')).data, Uint8Array.of(0x80, 1));
    t.is(server.counter(counter), 1);
  }
  t.deepEqual(server.events, []);
  relay.close();
  client.plane.close();
  server.plane.close();
});

for (const [counter, connectionIds] of [
  ['dropUnboundRecord', false],
  ['dropUnknownConnection', true],
] as const)
  test(`records ${connectionIds ? 'with' : 'without'} connection IDs for a closed link are counted and get no answer but the report of an unknown peer`, async (t) => {
    const [client, server] = [await Host.start({ connectionIds }), await Host.start()];
    const relay = await Relay.open(client.plane.port, server.plane.port);
    const { clientLink, serverLink } = await connect(client, server, {
      client: relay.serverSide,
      server: relay.clientSide,
    });
    // The close_notify is lost.
    relay.treatment = (data, direction) => (direction === 'backward' ? [] : [data]);
    server.plane.closeLink(serverLink);
    const total = 20;
    for (let i = 0; i < total; i++) client.plane.sendRecord(clientLink, Uint8Array.of(0x80, i));
    await server.reached(counter, total);
    await server.next('unknown');
    const sent = server.counter('udpSentDatagrams');
    client.plane.sendRecord(clientLink, Uint8Array.of(0x80, total));
    await server.reached(counter, total + 1);
    t.is(server.counter('udpSentDatagrams'), sent);
    // The report comes once a second: on a slow machine once more.
    t.deepEqual(
      server.events.filter(({ type }) => type !== 'unknown'),
      [],
    );
    relay.close();
    client.plane.close();
    server.plane.close();
  });

test('datagrams beyond the bound of what waits for the thread are dropped and counted, and links go on', async (t) => {
  const [host, peer] = [await Host.start({ limits: { queuedBytes: 1_000 } }), await Host.start()];
  const { clientLink } = await connect(host, peer);
  // One is more than may wait: how many wait at once depends on who runs first (limits_test.cc adds them up).
  const before = { sent: host.counter('stunSent'), dropped: host.counter('dropCommandsFull') };
  for (let i = 0; i < 100; i++) host.plane.sendDatagram(null, peer.at(), new Uint8Array(2000));
  host.plane.sendDatagram(null, peer.at(), Uint8Array.of(0));
  await host.reached('stunSent', before.sent + 1);
  t.is(host.counter('dropCommandsFull'), before.dropped + 100);
  host.plane.sendRecord(clientLink, Uint8Array.of(0x80, 7));
  t.deepEqual((await peer.next('record')).data, Uint8Array.of(0x80, 7));
  host.plane.close();
  peer.plane.close();
});

test('events beyond the bound of what waits for JavaScript are dropped and counted, and links go on', async (t) => {
  const [host, peer] = [await Host.start({ limits: { eventBytes: 10_000 } }), await Host.start()];
  const { clientLink } = await connect(peer, host);
  for (let i = 0; i < 100; i++) peer.plane.sendDatagram(null, host.at(), new Uint8Array(1000));
  // The event loop of this test is busy: nobody takes events.
  while (host.counter('stunReceived') < 100);
  t.true(host.counter('dropEventsFull') > 0);
  t.true(host.counter('eventsQueued') < 20);
  for (let i = 0; i < 8; i++) await setImmediate();
  peer.plane.sendRecord(clientLink, Uint8Array.of(0x80, 7));
  t.deepEqual((await host.next('record')).data, Uint8Array.of(0x80, 7));
  host.plane.close();
  peer.plane.close();
});

test('limits that are no positive whole numbers are refused', async (t) => {
  for (const heldBytes of [0, -1, 1.5, Number.NaN, 2 ** 32])
    await t.throwsAsync(Host.start({ limits: { heldBytes } }), { instanceOf: RangeError, message: /heldBytes/ });
});
