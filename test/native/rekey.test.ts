import test from 'ava';
import type { ExecutionContext } from 'ava';
import { makeCredentials } from './support/credentials.ts';
import { Host, connect } from './support/host.ts';
import type { Pair } from './support/host.ts';
import { Relay, unreliable } from './support/relay.ts';
import { epochOf, recordsOf } from './support/records.ts';

const LIMIT = 100;

async function connectThroughRelay(options: { connectionIds?: boolean }): Promise<Pair & { relay: Relay }> {
  const all = { ...options, rekeyAfterRecords: LIMIT };
  const [client, server] = [await Host.start(all), await Host.start(all)];
  const relay = await Relay.open(client.plane.port, server.plane.port);
  const pair = await connect(client, server, { client: relay.serverSide, server: relay.clientSide });
  return { ...pair, relay };
}

function numbered(number: number): Uint8Array {
  const record = Buffer.alloc(20);
  record[0] = 0x80;
  record.writeUInt32BE(number, 1);
  return Uint8Array.from(record);
}

const numberOf = (record: Uint8Array): number => Buffer.from(record).readUInt32BE(1);

/** `count` records each way, a window of them under way. */
async function load(t: ExecutionContext, pair: Pair, count: number): Promise<void> {
  const window = 16;
  const oneWay = async (from: Host, fromLink: number, to: Host): Promise<void> => {
    let sent = 0;
    for (let received = 0; received < count; received++) {
      while (sent < count && sent < received + window) from.plane.sendRecord(fromLink, numbered(sent++));
      const number = numberOf((await to.next('record')).data);
      if (number !== received) return t.fail(`record ${number} instead of ${received}`);
    }
  };
  await Promise.all([
    oneWay(pair.client, pair.clientLink, pair.server),
    oneWay(pair.server, pair.serverLink, pair.client),
  ]);
}

for (const connectionIds of [true, false]) {
  const how = connectionIds ? 'with' : 'without';

  test(`a link ${how} connection IDs gets new keys again and again under load and loses nothing`, async (t) => {
    const pair = await connectThroughRelay({ connectionIds });
    const { client, server, clientLink, serverLink, relay } = pair;
    const epochs = new Set<number>();
    relay.treatment = (data) => {
      for (const record of recordsOf(data)) epochs.add(epochOf(record));
      return [data];
    };
    await load(t, pair, 30 * LIMIT);
    const rekeys = (): number[] => [
      client.plane.linkCounters(clientLink)?.rekeys ?? 0,
      server.plane.linkCounters(serverLink)?.rekeys ?? 0,
    ];
    // Keys that are new by now are used by then.
    const least = Math.min(...rekeys());
    await load(t, pair, 1);
    const most = Math.max(...rekeys());
    t.true(least >= 10, `${least} changes of keys`);
    t.true(most - least <= 2, `${least} changes of keys at one end, ${most} at the other`);
    t.true(
      epochs.size > least && epochs.size <= most + 1,
      `${epochs.size} epochs, ${least} to ${most} changes of keys`,
    );
    t.false(epochs.has(0), 'handshakes go inside the link');
    for (const host of [client, server]) {
      for (const drop of ['dropBadRecord', 'dropReplayed', 'dropSendFailed', 'rekeysFailed'] as const)
        t.is(host.counter(drop), 0, drop);
      t.deepEqual(host.events, []);
    }
    t.is(client.plane.linkCounters(clientLink)?.handshakes, 1);
    t.is(server.plane.linkCounters(serverLink)?.handshakes, 1);
    relay.close();
    client.plane.close();
    server.plane.close();
  });

  test(`new keys come over a path that loses, repeats and reorders, to a link ${how} connection IDs`, async (t) => {
    for (const seed of [1, 2, 3]) {
      const { client, server, clientLink, serverLink, relay } = await connectThroughRelay({ connectionIds });
      relay.treatment = unreliable(seed);
      const seen = [new Set<number>(), new Set<number>()] as const;
      const drain = (): void => {
        for (const [host, numbers] of [
          [client, seen[1]],
          [server, seen[0]],
        ] as const)
          for (const event of host.events.splice(0)) {
            if (event.type !== 'record') {
              t.fail(`seed ${seed}: ${event.type}`);
              continue;
            }
            const number = numberOf(event.data);
            if (numbers.has(number)) t.fail(`seed ${seed}: record ${number} came twice`);
            numbers.add(number);
          }
      };
      let sent = 0;
      while (client.counter('rekeysCompleted') < 4 || server.counter('rekeysCompleted') < 4) {
        const passed = relay.passed(8);
        for (let i = 0; i < 4; i++, sent++) {
          client.plane.sendRecord(clientLink, numbered(sent));
          server.plane.sendRecord(serverLink, numbered(sent));
        }
        // All of them: what overflows the relay would be lost to no seed.
        await passed;
        drain();
      }
      relay.treatment = (data) => [data];
      client.plane.sendRecord(clientLink, numbered(sent));
      server.plane.sendRecord(serverLink, numbered(sent));
      while (!seen[0].has(sent) || !seen[1].has(sent)) {
        await new Promise((resolve) => setImmediate(resolve));
        drain();
      }
      for (const host of [client, server]) {
        t.is(host.counter('dropBadRecord'), 0, `seed ${seed}`);
        t.is(host.counter('rekeysFailed'), 0, `seed ${seed}`);
      }
      for (const numbers of seen) t.true(numbers.size > sent / 2, `seed ${seed}: ${numbers.size} of ${sent}`);
      relay.close();
      client.plane.close();
      server.plane.close();
    }
  });
}

test('a link whose records go only one way gets new keys too', async (t) => {
  for (const direction of ['to the server', 'to the client'] as const) {
    const { client, server, clientLink, serverLink, relay } = await connectThroughRelay({});
    const [from, link, to] =
      direction === 'to the server' ? ([client, clientLink, server] as const) : ([server, serverLink, client] as const);
    for (let i = 0; i < 5 * LIMIT; i++) {
      from.plane.sendRecord(link, numbered(i));
      t.is(numberOf((await to.next('record')).data), i, direction);
    }
    for (const host of [client, server]) {
      t.true(host.counter('rekeysCompleted') >= 3, direction);
      t.is(host.counter('dropBadRecord'), 0);
    }
    relay.close();
    client.plane.close();
    server.plane.close();
  }
});

test('a new address of the peer in the middle of a change of keys is followed', async (t) => {
  const pair = await connectThroughRelay({});
  const { client, server, clientLink, serverLink, relay } = pair;
  for (let round = 0; round < 10; round++) {
    await relay.rebind();
    for (let i = 0; i < LIMIT / 3; i++) {
      client.plane.sendRecord(clientLink, numbered(i));
      t.is(numberOf((await server.next('record')).data), i);
    }
    await server.next('moved');
    server.plane.sendRecord(serverLink, numbered(round));
    t.is(numberOf((await client.next('record')).data), round);
  }
  t.true(client.counter('rekeysCompleted') >= 2);
  t.true(server.counter('rekeysCompleted') >= 2);
  t.is(server.counter('dropBadRecord'), 0);
  relay.close();
  client.plane.close();
  server.plane.close();
});

for (const changed of ['client', 'server'] as const) {
  test(`new keys of a ${changed} that shows another certificate key are refused, and the old ones go on`, async (t) => {
    const pair = await connectThroughRelay({});
    const { client, server, clientLink, relay } = pair;
    const { certificate, privateKey } = await makeCredentials('somebody else');
    pair[changed].plane.setCredentials([certificate], privateKey);
    await load(t, pair, 3 * LIMIT);
    t.is(client.counter('rekeysFailed'), 1);
    t.is(client.counter('rekeysCompleted'), 0);
    t.is(server.counter('rekeysCompleted'), 0);
    t.is(client.plane.linkCounters(clientLink)?.rekeys, 0);
    relay.close();
    client.plane.close();
    server.plane.close();
  });
}

test('a link that is closed while its keys change is closed at both ends', async (t) => {
  for (const closer of ['client', 'server'] as const) {
    const pair = await connectThroughRelay({});
    const { client, server, relay } = pair;
    const other = closer === 'client' ? server : client;
    await load(t, pair, LIMIT);
    pair[closer].plane.closeLink(closer === 'client' ? pair.clientLink : pair.serverLink);
    t.is((await other.next('closed')).reason, 'closed by the peer');
    relay.close();
    client.plane.close();
    server.plane.close();
  }
});
