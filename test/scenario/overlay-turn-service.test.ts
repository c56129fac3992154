import test from 'ava';
import { ByteWriter } from '../../src/base/bytes.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { TURN_SERVICE } from '../../src/overlay/storage/kinds.ts';
import type { FetchResult, StoreResult } from '../../src/overlay/storage/storage-client.ts';
import { type FoundTurnServer, lookUpTurnServer } from '../../src/overlay/turn-lookup.ts';
import { TurnRecords, turnServiceResource } from '../../src/overlay/turn-records.ts';
import { encodeTurnServer } from '../../src/reload/index.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, settled } from '../sim/overlay/records.ts';

const SEED = 20261129;
const PEERS = 12;
const ADDRESS = { address: '203.0.113.7', port: 6084 };

/** What a host says of itself as a server; driven by ticks of its own. */
class Server {
  own: SocketAddress | undefined = ADDRESS;
  density: number;
  readonly records: TurnRecords;
  readonly node: SimNode;

  constructor(world: OverlayWorld, node: SimNode, density: number, isOff = false) {
    if (isOff) this.own = undefined;
    this.node = node;
    this.density = density;
    this.records = new TurnRecords({
      overlay: node.overlay,
      ports: { own: () => this.own, isOff, density: () => this.density },
      random: seededRandom(SEED),
      logger: silentLogger,
    });
    const tick = (): void => {
      if (!node.alive) return;
      if ((this.records.nextTimeout() ?? Infinity) <= world.now)
        world.run(node, (now) => this.records.handleTimeout(now));
      world.loop.after(100, tick);
    };
    tick();
    world.run(node, (now) => this.records.changed(now));
  }
}

function grown(t: { log: (line: string) => void }): { world: OverlayWorld; nodes: SimNode[] } {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  return { world, nodes: world.grow(PEERS) };
}

function recordsOf(world: OverlayWorld, reader: SimNode, owner: SimNode, most = 20): number[] {
  const found: number[] = [];
  for (let d = 1; d <= most; d++) {
    const resource = turnServiceResource(world.settings.ring, owner.id, d);
    const result: FetchResult = fetchFrom(world, reader, resource, TURN_SERVICE.id);
    if (result.ok && result.values.length > 0) found.push(d);
  }
  return found;
}

/** What so many lookups of a node come to. */
function lookups(world: OverlayWorld, node: SimNode, count: number): (FoundTurnServer | undefined)[] {
  const random = seededRandom(SEED + 1);
  return Array.from({ length: count }, () =>
    settled<FoundTurnServer | undefined | null>(world, node, (now, done) =>
      lookUpTurnServer(node.overlay, random, now, (found) => done(found ?? null)),
    ),
  ).map((found) => found ?? undefined);
}

test('a server keeps turn-density records, a lookup at a random place finds it, and gone it is found no more', (t) => {
  const { world, nodes } = grown(t);
  const [owner, reader] = nodes;
  if (owner === undefined || reader === undefined) return;
  const server = new Server(world, owner, PEERS);
  world.loop.run(30_000);
  t.is(recordsOf(world, reader, owner).length, PEERS);
  const found = lookups(world, reader, 20).filter((one) => one !== undefined);
  t.log(`${found.length} of 20 lookups`);
  t.true(found.length >= 5);
  t.true(found.every(({ hit, address }) => hit === owner.id && address.port === ADDRESS.port));
  // Another density: those beyond it go.
  server.density = 2;
  world.run(owner, (now) => server.records.changed(now));
  world.loop.run(10_000);
  t.deepEqual(recordsOf(world, reader, owner), [1, 2]);
  let complete: boolean | undefined;
  world.run(owner, (now) => server.records.giveBack(now, (ok) => (complete = ok)));
  world.loop.run(5_000);
  t.true(complete);
  t.deepEqual(recordsOf(world, reader, owner), []);
  t.deepEqual(
    lookups(world, reader, 10).filter((one) => one !== undefined),
    [],
  );
});

test('who leaves while its records are being written leaves none', (t) => {
  const { world, nodes } = grown(t);
  const [owner, reader] = nodes;
  if (owner === undefined || reader === undefined) return;
  const server = new Server(world, owner, PEERS);
  world.loop.runUntil(() => recordsOf(world, reader, owner, 3).length > 1, 10_000);
  world.run(owner, (now) => server.records.giveBack(now, () => {}));
  world.loop.run(20_000);
  t.deepEqual(recordsOf(world, reader, owner), []);
});

test('records are refreshed while the server serves, and end within an hour of its death', (t) => {
  const { world, nodes } = grown(t);
  const [owner, reader] = nodes;
  if (owner === undefined || reader === undefined) return;
  new Server(world, owner, 3);
  world.loop.run(2 * 3_600_000);
  t.deepEqual(recordsOf(world, reader, owner, 4), [1, 2, 3]);
  world.crash(owner);
  world.loop.run(3_700_000);
  t.deepEqual(recordsOf(world, reader, owner, 4), []);
});

test('a host that is told to serve no more takes away what its former life has stored', (t) => {
  const { world, nodes } = grown(t);
  const [owner, reader] = nodes;
  if (owner === undefined || reader === undefined) return;
  const former = new Server(world, owner, 3);
  world.loop.run(20_000);
  t.deepEqual(recordsOf(world, reader, owner, 4), [1, 2, 3]);
  former.own = undefined;
  new Server(world, owner, 3, true);
  world.loop.run(10_000);
  t.deepEqual(recordsOf(world, reader, owner, 4), []);
});

function stored(
  world: OverlayWorld,
  node: SimNode,
  of: SimNode,
  d: number,
  value: Uint8Array,
  lifetimeS = 3_600,
): StoreResult {
  const resource = turnServiceResource(world.settings.ring, of.id, d);
  return settled<StoreResult>(world, node, (now, done) =>
    node.overlay.store(
      { resource, kind: TURN_SERVICE.id, value: { model: 'single', exists: true, value }, lifetimeS },
      now,
      done,
    ),
  );
}

function record(iteration: number): Uint8Array {
  const writer = new ByteWriter();
  encodeTurnServer(writer, { iteration, address: ADDRESS });
  return writer.finish();
}

test('nobody stores a record of another, beyond the 20th place, too large or for too long, and one of another place is not read', (t) => {
  const { world, nodes } = grown(t);
  const [owner, liar] = nodes;
  if (owner === undefined || liar === undefined) return;
  const codeOf = (result: StoreResult): string => (result.ok ? 'stored' : result.error.code);
  t.is(codeOf(stored(world, liar, owner, 1, record(1))), 'forbidden');
  t.is(codeOf(stored(world, liar, liar, 21, record(21))), 'forbidden');
  t.is(codeOf(stored(world, liar, liar, 1, new Uint8Array(33))), 'data_too_large');
  t.is(codeOf(stored(world, liar, liar, 1, record(1), 3_601)), 'forbidden');
  // What is no record, and that of another place.
  t.is(codeOf(stored(world, liar, liar, 1, record(2))), 'stored');
  t.is(codeOf(stored(world, liar, liar, 2, Uint8Array.of(2, 0, 0))), 'stored');
  t.deepEqual(
    lookups(world, owner, 30).filter((found) => found !== undefined),
    [],
  );
});
