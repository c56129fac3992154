import test from 'ava';
import { Host, connect } from './support/host.ts';
import type { Pair } from './support/host.ts';
import { APPLICATION_DATA_RECORD, CONNECTION_ID_RECORD, recordsOf } from './support/records.ts';
import { Relay, openSocket, receiveOne, unreliable } from './support/relay.ts';

const CHALLENGE_BYTES = 9;

/** A link whose client is seen through a relay: the NAT in front of it. */
async function connectThroughNat(
  options: { clientIds?: boolean; serverIds?: boolean } = {},
): Promise<Pair & { nat: Relay }> {
  const client = await Host.start({ connectionIds: options.clientIds ?? true });
  const server = await Host.start({ connectionIds: options.serverIds ?? true });
  const nat = await Relay.open(client.plane.port, server.plane.port);
  const pair = await connect(client, server, { client: nat.serverSide, server: nat.clientSide });
  return { ...pair, nat };
}

function close(...closed: { close(): void }[]): void {
  for (const each of closed) each.close();
}

/** 0x80, a number, and what makes it at least as long as a challenge. */
function frame(number: number): Uint8Array {
  return Uint8Array.of(0x80, number, ...new Uint8Array(CHALLENGE_BYTES));
}

for (const clientIds of [true, false]) {
  for (const serverIds of [true, false]) {
    const having = (ids: boolean): string => (ids ? 'with' : 'without');
    test(`a client ${having(clientIds)} and a server ${having(serverIds)} connection IDs exchange records`, async (t) => {
      const { client, server, clientLink, serverLink, nat } = await connectThroughNat({ clientIds, serverIds });
      const types = new Set<number | undefined>();
      nat.treatment = (data) => {
        types.add(data[0]);
        return [data];
      };
      for (let i = 0; i < 20; i++) {
        client.plane.sendRecord(clientLink, frame(i));
        server.plane.sendRecord(serverLink, frame(i));
        t.deepEqual((await server.next('record')).data, frame(i));
        t.deepEqual((await client.next('record')).data, frame(i));
      }
      // A repeated flight of the handshake may come late: on a slow machine both ends repeat theirs.
      const expected = clientIds && serverIds ? CONNECTION_ID_RECORD : APPLICATION_DATA_RECORD;
      const records = [CONNECTION_ID_RECORD, APPLICATION_DATA_RECORD].filter((type) => types.has(type));
      t.deepEqual(records, [expected]);
      client.plane.closeLink(clientLink);
      t.is((await server.next('closed')).reason, 'closed by the peer');
      close(nat, client.plane, server.plane);
    });
  }
}

test('handshakes whose datagrams are reordered, repeated and lost still end in connection IDs', async (t) => {
  for (const seed of [1, 2, 3]) {
    const client = await Host.start();
    const server = await Host.start();
    const nat = await Relay.open(client.plane.port, server.plane.port);
    nat.treatment = unreliable(seed);
    const ends = { client: nat.serverSide, server: nat.clientSide };
    const { clientLink, serverLink } = await connect(client, server, ends);
    // A flight of the handshake that was on its way may still come.
    const types = new Set<number | undefined>();
    nat.treatment = (data) => {
      types.add(data[0]);
      return [data];
    };
    client.plane.sendRecord(clientLink, frame(1));
    t.is((await server.next('record')).link, serverLink, `seed ${seed}`);
    server.plane.sendRecord(serverLink, frame(2));
    t.is((await client.next('record')).link, clientLink, `seed ${seed}`);
    t.true(types.has(CONNECTION_ID_RECORD) && !types.has(APPLICATION_DATA_RECORD), `seed ${seed}`);
    close(nat, client.plane, server.plane);
  }
});

test('a Finished that overtakes what its keys are made of is not lost', async (t) => {
  const client = await Host.start();
  const server = await Host.start();
  const nat = await Relay.open(client.plane.port, server.plane.port);
  let flight: Uint8Array[] = [];
  nat.treatment = (data, direction) => {
    if (direction === 'backward') return [data];
    // The last flight of the client, record by record, backwards.
    const records = recordsOf(data);
    if (!records.some((record) => record[0] === CONNECTION_ID_RECORD) && flight.length === 0) {
      if (records[0]?.[13] === 1) return [data];
      flight = records;
      return [];
    }
    const finished = records.filter((record) => record[0] === CONNECTION_ID_RECORD);
    const rest = records.filter((record) => record[0] !== CONNECTION_ID_RECORD);
    const out = [...finished, ...flight, ...rest];
    flight = [];
    return out;
  };
  const { clientLink, serverLink } = await connect(client, server, { client: nat.serverSide, server: nat.clientSide });
  t.is(server.counter('handshakesCompleted'), 1);
  client.plane.sendRecord(clientLink, frame(1));
  t.is((await server.next('record')).link, serverLink);
  close(nat, client.plane, server.plane);
});

test('a peer whose NAT gives it a new address is challenged and answered there, each time', async (t) => {
  const { client, server, clientLink, serverLink, nat } = await connectThroughNat();
  for (let round = 0; round < 5; round++) {
    const rebound = await nat.rebind();
    client.plane.sendRecord(clientLink, frame(round));
    t.deepEqual((await server.next('record')).data, frame(round));
    const moved = await server.next('moved');
    t.deepEqual(moved, { type: 'moved', link: serverLink, local: server.at(), remote: rebound, cause: 'peer' });
    server.plane.sendRecord(serverLink, frame(100 + round));
    t.deepEqual((await client.next('record')).data, frame(100 + round));
  }
  t.is(server.counter('pathsMoved'), 5);
  // A machine that is slow repeats one; path_set_test shows that one is enough.
  t.true(server.counter('pathProbesSent') >= 5);
  t.is(server.plane.linkCounters(serverLink)?.handshakes, 1);
  t.deepEqual(client.events, []);
  t.deepEqual(server.events, []);
  close(nat, client.plane, server.plane);
});

test('new addresses of the NAT lose nothing of what the peer sends, and only what is under way of what it gets', async (t) => {
  const { client, server, clientLink, serverLink, nat } = await connectThroughNat();
  const total = 200;
  const toServer: (number | undefined)[] = [];
  const toClient = new Set<number | undefined>();
  for (let i = 0; i < total; i++) {
    const rebinds = i % 20 === 10;
    if (rebinds) await nat.rebind();
    client.plane.sendRecord(clientLink, frame(i));
    toServer.push((await server.next('record')).data[1]);
    if (rebinds) await server.next('moved');
    server.plane.sendRecord(serverLink, frame(i));
    toClient.add((await client.next('record')).data[1]);
  }
  t.deepEqual(
    toServer,
    Array.from({ length: total }, (_, i) => i),
  );
  t.is(toClient.size, total);
  t.is(server.counter('pathsMoved'), total / 20);
  close(nat, client.plane, server.plane);
});

test('a challenge that is lost is sent again with what comes next', async (t) => {
  const { client, server, clientLink, nat } = await connectThroughNat();
  await nat.rebind();
  let challenges = 0;
  nat.treatment = (data, direction) => (direction === 'backward' && challenges++ === 0 ? [] : [data]);
  for (let i = 0; server.counter('pathsMoved') === 0; i = (i + 1) % 256) {
    client.plane.sendRecord(clientLink, frame(i));
    await server.next('record');
  }
  t.true(server.counter('pathProbesSent') >= 2);
  close(nat, client.plane, server.plane);
});

test('a copied record that is faster than the true one does not move the link', async (t) => {
  const { client, server, clientLink, serverLink, nat } = await connectThroughNat();
  const thief = await openSocket();
  nat.treatment = (data, direction) => {
    if (direction === 'backward') return [data];
    thief.send(data, server.plane.port, '127.0.0.1');
    return [];
  };
  client.plane.sendRecord(clientLink, frame(1));
  const challenge = await receiveOne(thief);
  t.is(challenge[0], CONNECTION_ID_RECORD);
  t.deepEqual((await server.next('record')).data, frame(1));
  nat.treatment = (data) => [data];
  // The thief has the challenge and cannot open it; what it says all the same is no answer.
  thief.send(challenge, server.plane.port, '127.0.0.1');
  server.plane.sendRecord(serverLink, frame(2));
  t.deepEqual((await client.next('record')).data, frame(2), 'data goes the old way');
  client.plane.sendRecord(clientLink, frame(3));
  t.deepEqual((await server.next('record')).data, frame(3));
  t.is(server.counter('pathsMoved'), 0);
  t.deepEqual(
    server.events.filter((event) => event.type === 'moved'),
    [],
  );
  close(nat, thief, client.plane, server.plane);
});

test('a thief that passes challenge and answer on has the link until the next record comes from the true address', async (t) => {
  const { client, server, clientLink, serverLink, nat } = await connectThroughNat();
  const thief = await openSocket();
  thief.on('message', (data) => thief.send(data, client.plane.port, '127.0.0.1'));
  nat.treatment = (data, direction) => {
    if (direction === 'forward') thief.send(data, server.plane.port, '127.0.0.1');
    return direction === 'forward' ? [] : [data];
  };
  // What the server sends to the thief, the thief brings to the client by the NAT's own way.
  thief.removeAllListeners('message');
  thief.on('message', (data) => nat.deliver(data, 'backward'));
  client.plane.sendRecord(clientLink, frame(1));
  t.is((await server.next('moved')).remote.port, thief.address().port);
  nat.treatment = (data) => [data];
  client.plane.sendRecord(clientLink, frame(2));
  t.deepEqual((await server.next('moved')).remote, nat.serverSide);
  thief.removeAllListeners('message');
  server.plane.sendRecord(serverLink, frame(3));
  t.deepEqual((await client.next('record')).data, frame(3));
  close(nat, thief, client.plane, server.plane);
});

test('copies from many addresses bring at most three times as many bytes to any of them as came from it (RFC 9000 s8.1)', async (t) => {
  const { client, server, clientLink, nat } = await connectThroughNat();
  const total = 40;
  const thieves = await Promise.all(Array.from({ length: total }, openSocket));
  const sent = new Array<number>(total).fill(0);
  const received = new Array<number>(total).fill(0);
  thieves.forEach((thief, i) => thief.on('message', (data) => (received[i] = (received[i] ?? 0) + data.length)));
  let next = 0;
  nat.treatment = (data, direction) => {
    if (direction === 'backward') return [data];
    const i = next++ % total;
    sent[i] = (sent[i] ?? 0) + data.length;
    thieves[i]?.send(data, server.plane.port, '127.0.0.1');
    // A copy of the copy is old.
    thieves[(i + 1) % total]?.send(data, server.plane.port, '127.0.0.1');
    return [];
  };
  for (let i = 0; i < 4 * total; i++) {
    client.plane.sendRecord(clientLink, i % 2 === 0 ? Uint8Array.of(0x80) : frame(i));
    await server.next('record');
  }
  nat.treatment = (data) => [data];
  client.plane.sendRecord(clientLink, frame(1));
  await server.next('record');
  t.true(server.counter('pathProbesSent') > 0);
  t.is(server.counter('pathsMoved'), 0);
  received.forEach((bytes, i) => t.true(bytes <= 3 * (sent[i] ?? 0), `${i}: ${bytes} back for ${sent[i]}`));
  close(nat, ...thieves, client.plane, server.plane);
});

test('an old record from a new address is delivered and moves nothing', async (t) => {
  const { client, server, clientLink, nat } = await connectThroughNat();
  const other = await openSocket();
  const late: Uint8Array[] = [];
  nat.treatment = (data) => {
    late.push(data);
    return [];
  };
  client.plane.sendRecord(clientLink, frame(1));
  await nat.passed(1);
  nat.treatment = (data) => [data];
  client.plane.sendRecord(clientLink, frame(2));
  t.deepEqual((await server.next('record')).data, frame(2));
  for (const data of late) other.send(data, server.plane.port, '127.0.0.1');
  t.deepEqual((await server.next('record')).data, frame(1));
  t.is(server.counter('pathProbesSent'), 0);
  close(nat, other, client.plane, server.plane);
});

test('a record with a connection ID of no link is counted and reported, from whatever address', async (t) => {
  const { client, server, clientLink, nat } = await connectThroughNat();
  nat.treatment = (data) => {
    const changed = Uint8Array.from(data);
    changed[11] = (changed[11] ?? 0) ^ 1;
    return [changed];
  };
  client.plane.sendRecord(clientLink, frame(1));
  t.deepEqual((await server.next('unknown')).remote, nat.serverSide);
  t.is(server.counter('dropUnknownConnection'), 1);
  close(nat, client.plane, server.plane);
});

test('a record without the connection ID that was agreed on is dropped', async (t) => {
  const { client, server, clientLink, serverLink, nat } = await connectThroughNat();
  nat.treatment = (data) => {
    const changed = Buffer.concat([data.subarray(0, 11), data.subarray(19)]);
    changed[0] = APPLICATION_DATA_RECORD;
    return [changed];
  };
  client.plane.sendRecord(clientLink, frame(1));
  await server.reached('dropBadRecord', 1);
  nat.treatment = (data) => [data];
  client.plane.sendRecord(clientLink, frame(2));
  const record = await server.next('record');
  t.is(record.link, serverLink);
  t.deepEqual(record.data, frame(2));
  close(nat, client.plane, server.plane);
});

test('a peer without connection IDs that comes from a new address is not followed', async (t) => {
  const { client, server, clientLink, nat } = await connectThroughNat({ clientIds: false });
  const rebound = await nat.rebind();
  client.plane.sendRecord(clientLink, frame(1));
  t.deepEqual((await server.next('unknown')).remote, rebound);
  t.is(server.counter('dropUnboundRecord'), 1);
  t.is(server.counter('pathProbesSent'), 0);
  close(nat, client.plane, server.plane);
});
