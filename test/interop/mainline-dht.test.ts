import { createSocket } from 'node:dgram';
import { Client } from 'bittorrent-dht';
import test, { type ExecutionContext } from 'ava';
import { Guard } from '../../src/agent/guard.ts';
import { MeetingPlaces } from '../../src/agent/meeting-places.ts';
import { Mainline } from '../../src/agent/mainline.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { systemRandom } from '../../src/base/random.ts';
import { agentConfig } from '../../src/config/agent-config.ts';
import { createDataPlane } from '../../src/native/native.ts';
import type { DataPlane } from '../../src/native/data-plane.ts';
import { meetingKey } from '../../src/rendezvous/meeting-key.ts';
import { startMainlineNetwork } from '../../scripts/testbed/mainline-nodes.ts';

const SECRET = new Uint8Array(16).fill(7);

interface Visitor {
  readonly plane: DataPlane;
  readonly mainline: Mainline;
  readonly found: SocketAddress[];
  /** Resolves when this address has been found. */
  finds(address: SocketAddress): Promise<void>;
}

function visitor(t: ExecutionContext, bootstrap: readonly string[]): Visitor {
  const plane = createDataPlane({ port: 0, tun: null });
  const mainline = new Mainline({ dataPlane: plane, logger: silentLogger }, { bootstrap });
  const found: SocketAddress[] = [];
  let look = (): void => undefined;
  mainline.onFound((address) => {
    found.push(address);
    look();
  });
  plane.onWake(() => {
    for (const event of plane.drain()) if (event.type === 'foreign') mainline.receive(event.data, event.remote);
  });
  t.teardown(async () => {
    await mainline.close();
    plane.close();
  });
  const has = (wanted: SocketAddress): boolean =>
    found.some(({ address, port }) => address === wanted.address && port === wanted.port);
  const finds = (wanted: SocketAddress): Promise<void> =>
    new Promise((resolve) => {
      look = () => {
        if (has(wanted)) resolve();
      };
      look();
    });
  return { plane, mainline, found, finds };
}

test('two hosts that know nothing of each other meet in a DHT of 20 nodes, each at the port of its data plane', async (t) => {
  const network = await startMainlineNetwork('127.0.0.1', 0, 20);
  t.teardown(() => network.stop());
  const [a, b, stranger] = [0, 1, 2].map(() => visitor(t, network.nodes.slice(0, 2)));
  if (a === undefined || b === undefined || stranger === undefined) throw new Error('three visitors');
  const key = meetingKey(SECRET, 'mainline', 'overlay', 20_000);
  const other = meetingKey(new Uint8Array(16), 'mainline', 'overlay', 20_000);
  const at = (host: Visitor): SocketAddress => ({ address: '127.0.0.1', port: host.plane.port });
  // Both look again and again, as they do in a search.
  const again = setInterval(() => {
    a.mainline.visit(key);
    b.mainline.visit(key);
    stranger.mainline.visit(other);
  }, 200);
  t.teardown(() => clearInterval(again));
  await Promise.all([a.finds(at(b)), b.finds(at(a)), stranger.finds(at(stranger))]);
  t.deepEqual(
    stranger.found.filter(({ port }) => port !== stranger.plane.port),
    [],
  );
  t.true(a.mainline.nodes > 3);
});

test('a host is found at the port that its router sends on, when there is one', async (t) => {
  const network = await startMainlineNetwork('127.0.0.1', 0, 3);
  t.teardown(() => network.stop());
  const [a, b] = [visitor(t, network.nodes), visitor(t, network.nodes)];
  a.mainline.setMappedPort(20_001);
  const key = meetingKey(SECRET, 'mainline', 'overlay', 4);
  const again = setInterval(() => {
    a.mainline.visit(key);
    b.mainline.visit(key);
  }, 200);
  t.teardown(() => clearInterval(again));
  await b.finds({ address: '127.0.0.1', port: 20_001 });
  t.false(b.found.some(({ port }) => port === a.plane.port));
});

test('the place goes on, off and on again while its host runs: only while it is on anybody is found there', async (t) => {
  const network = await startMainlineNetwork('127.0.0.1', 0, 5);
  t.teardown(() => network.stop());
  const other = visitor(t, network.nodes);
  const plane = createDataPlane({ port: 0, tun: null });
  const places = new MeetingPlaces(
    {
      dataPlane: plane,
      config: agentConfig(undefined, { mdns: false, mainline_bootstrap: [...network.nodes] }),
      ...{ logger: silentLogger, random: systemRandom, dnsStub: undefined },
      guard: new Guard({ logger: silentLogger }),
    },
    { mode: 'none', domain: 'meeting.internal' },
  );
  t.teardown(() => {
    places.close();
    plane.close();
  });
  plane.onWake(() => {
    for (const event of plane.drain()) if (event.type === 'foreign') places.receive(event.data, event.remote);
  });
  const found: number[] = [];
  let look = (): void => undefined;
  for (const place of places.all)
    place.onFound(({ port }) => {
      found.push(port);
      look();
    });
  const key = meetingKey(SECRET, 'mainline', 'overlay', 5);
  const again = setInterval(() => {
    other.mainline.visit(key);
    for (const place of places.all) place.visit(key);
  }, 200);
  t.teardown(() => clearInterval(again));
  const findsOther = (): Promise<void> =>
    new Promise((resolve) => {
      look = () => {
        if (found.includes(other.plane.port)) resolve();
      };
      look();
    });
  const nothingFound = async (): Promise<void> => {
    found.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    t.deepEqual(found, []);
    t.is(places.mainlineNodes, null);
  };
  await other.finds({ address: '127.0.0.1', port: other.plane.port });
  await nothingFound();
  for (let round = 0; round < 2; round++) {
    places.setMode('mainline');
    await findsOther();
    t.true((places.mainlineNodes ?? 0) > 0);
    places.setMode('none');
    await nothingFound();
  }
});

test('the host answers no queries of the DHT, and says so in its own', async (t) => {
  const network = await startMainlineNetwork('127.0.0.1', 0, 3);
  t.teardown(() => network.stop());
  const host = visitor(t, network.nodes);
  const asker = new Client({ bootstrap: [`127.0.0.1:${host.plane.port}`], timeout: 200 });
  const seen: string[] = [];
  const node = createSocket('udp4');
  await new Promise<void>((resolve) => node.bind(0, '127.0.0.1', resolve));
  node.on('message', (data) => seen.push(data.toString('latin1')));
  const reader = visitor(t, [`127.0.0.1:${node.address().port}`]);
  reader.mainline.visit(meetingKey(SECRET, 'mainline', 'overlay', 1));
  await new Promise<void>((resolve) => node.once('message', () => resolve()));
  t.regex(seen[0] ?? '', /2:roi1e1:t2:[^]{2}1:y1:qe$/);
  await new Promise<void>((resolve) => asker.on('ready', () => resolve()));
  t.deepEqual(asker.toJSON().nodes, []);
  node.close();
  await new Promise<void>((resolve) => asker.destroy(resolve));
});

test('what no node of the DHT would send is dropped, and the host goes on', async (t) => {
  const network = await startMainlineNetwork('127.0.0.1', 0, 3);
  t.teardown(() => network.stop());
  const host = visitor(t, network.nodes);
  const from = { address: '127.0.0.1', port: 9 };
  for (const text of [
    'd',
    'de',
    'd1:y1:re',
    'd1:rd2:idi5eee',
    'd1:rde1:t2:aa1:y1:re',
    'd1:ad2:idi1e9:info_hashi3e5:tokeni4ee1:q13:announce_peer1:t2:aa1:y1:qe',
    `d1:rd2:id20:${'x'.repeat(20)}5:nodesi7e6:valuesi5ee1:t2:aa1:y1:re`,
    `d1:t${'9'.repeat(300)}:`,
    'l'.repeat(1500).replace('l', 'd'),
  ])
    t.notThrows(() => host.mainline.receive(Buffer.from(text, 'latin1'), from), text.slice(0, 40));
  const key = meetingKey(SECRET, 'mainline', 'overlay', 3);
  const again = setInterval(() => host.mainline.visit(key), 200);
  t.teardown(() => clearInterval(again));
  await host.finds({ address: '127.0.0.1', port: host.plane.port });
  t.pass();
});
