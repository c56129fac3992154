import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ValueDatabase } from '../../src/agent/value-database.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { NodeId, ResourceId } from '../../src/base/node-id.ts';
import { MANY, ringOf, storeMany } from '../sim/overlay/many-values.ts';
import { disks } from '../sim/overlay/memory-value-file.ts';
import type { OverlayWorld, SimNode } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, settled } from '../sim/overlay/records.ts';

const SEED = 20261129;
const MINUTE_MS = 60_000;

/** What a reader finds at each place, `''` where nothing is. */
function found(world: OverlayWorld, reader: SimNode, places: readonly ResourceId[]): string[] {
  return places.map((resource) => {
    const result = fetchFrom(world, reader, resource, MANY.id);
    if (!result.ok) return result.error.code;
    return result.values.map(({ value }) => Buffer.from(value.value).toString('hex')).join();
  });
}

/** Another value in the place of each, or none. */
function write(world: OverlayWorld, writer: SimNode, places: readonly ResourceId[], byte: number | undefined): boolean {
  return places.every((resource) => {
    const value = {
      model: 'single' as const,
      exists: byte !== undefined,
      value: Uint8Array.of(...(byte ? [byte] : [])),
    };
    const spec = { resource, kind: MANY.id, value, lifetimeS: 86_400 };
    return settled<{ ok: boolean }>(world, writer, (now, done) => writer.overlay.store(spec, now, done)).ok;
  });
}

/** The power comes back: the first one makes the ring anew, the others join it. */
function startAgain(world: OverlayWorld, nodes: readonly SimNode[]): SimNode[] {
  const again = nodes.map((node) => world.comeBack(node));
  const [first] = again;
  if (first === undefined) return [];
  world.create(first);
  for (const node of again.slice(1)) {
    world.loop.run(500);
    world.join(node, first);
  }
  world.settle(30_000);
  return again;
}

for (const peers of [1, 3, 8])
  test(`all of ${peers} peers lose power at once: what they stored is found again`, (t) => {
    t.log(`seed ${SEED}`);
    const { of } = disks();
    const world = ringOf(peers, SEED, { valuesOf: of });
    const [writer] = world.peers;
    if (writer === undefined) return t.fail();
    const places = storeMany(world, writer, 60);
    world.loop.run(1_000);
    const all = world.peers;
    for (const node of all) world.crash(node);
    world.loop.run(10 * MINUTE_MS);
    const [reader] = startAgain(world, all);
    if (reader === undefined) return t.fail();
    t.deepEqual(
      found(world, reader, places),
      places.map(() => '01'),
    );
  });

for (const [what, byte, seen] of [
  ['removed', undefined, ''],
  ['replaced', 2, '02'],
] as const) {
  test(`a value that was ${what} while a holder was away stays ${what} when that one is back, whoever is asked`, (t) => {
    t.log(`seed ${SEED}`);
    const { of } = disks();
    const world = ringOf(6, SEED, { valuesOf: of });
    const [writer, victim] = world.peers;
    if (writer === undefined || victim === undefined) return t.fail();
    const places = storeMany(world, writer, 120);
    world.loop.run(5_000);
    t.true(of(victim.id).values.size > 20);
    world.crash(victim);
    world.loop.run(MINUTE_MS);
    t.true(write(world, writer, places, byte));
    world.loop.run(MINUTE_MS);
    const again = world.comeBack(victim);
    world.join(again, writer);
    t.true(world.loop.runUntil(() => again.overlay.state === 'joined', 30_000));
    const expected = places.map(() => seen);
    // From the moment that it is in, while it restores, after the hold-down, and once all have looked through what they hold.
    for (const later of [0, 200, 1_000, 40_000, 5 * MINUTE_MS]) {
      world.loop.run(later);
      for (const reader of [again, writer]) t.deepEqual(found(world, reader, places), expected, `after ${later} ms`);
    }
  });

  test(`a value that was ${what} while a holder was away stays ${what} after all have lost power`, (t) => {
    t.log(`seed ${SEED}`);
    const { of } = disks();
    const world = ringOf(5, SEED, { valuesOf: of });
    const [writer, victim] = world.peers;
    if (writer === undefined || victim === undefined) return t.fail();
    const places = storeMany(world, writer, 60);
    world.loop.run(5_000);
    const all = world.peers;
    world.crash(victim);
    world.loop.run(MINUTE_MS);
    t.true(write(world, writer, places, byte));
    world.loop.run(5_000);
    for (const node of world.peers) world.crash(node);
    world.loop.run(MINUTE_MS);
    // The one that knows least is the first one of the ring.
    const ordered = [victim, ...all.filter((node) => node !== victim)];
    const again = startAgain(world, ordered);
    world.loop.run(2 * MINUTE_MS);
    const [reader] = again;
    if (reader === undefined) return t.fail();
    t.deepEqual(
      found(world, reader, places),
      places.map(() => seen),
    );
  });
}

test('three peers with files on a real disk lose power: what they stored is found again', async (t) => {
  t.log(`seed ${SEED}`);
  const folder = mkdtempSync(join(tmpdir(), 'idloc-restarts-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const open = new Map<NodeId, ValueDatabase>();
  const valuesOf = (nodeId: NodeId): ValueDatabase => {
    const path = join(folder, nodeId);
    const database = new ValueDatabase(
      { logger: silentLogger, clock: { monotonic: () => 0 } },
      { path, maxBytes: 4_000_000 },
    );
    open.set(nodeId, database);
    return database;
  };
  const world = ringOf(3, SEED, { valuesOf });
  const [writer] = world.peers;
  if (writer === undefined) return t.fail();
  const places = storeMany(world, writer, 120);
  // In steps: it is written back behind the event loop.
  for (let i = 0; i < 60; i++) {
    world.loop.run(500);
    for (const database of open.values()) await database.settled();
  }
  const all = world.peers;
  for (const node of all) world.crash(node);
  for (const database of open.values()) await database.close();
  const [reader] = startAgain(world, all);
  if (reader === undefined) return t.fail();
  t.deepEqual(
    found(world, reader, places),
    places.map(() => '01'),
  );
  for (const database of open.values()) await database.close();
});

test('what expired while a peer was away is not there again, and leaves its disk', (t) => {
  t.log(`seed ${SEED}`);
  const { of } = disks();
  const world = ringOf(1, SEED, { valuesOf: of });
  const [node] = world.peers;
  if (node === undefined) return t.fail();
  const places = storeMany(world, node, 20);
  world.loop.run(1_000);
  t.is(of(node.id).values.size, 20);
  world.crash(node);
  world.loop.run(86_400_000);
  const [again] = startAgain(world, [node]);
  if (again === undefined) return t.fail();
  world.loop.run(2_000);
  t.deepEqual(
    found(world, again, places),
    places.map(() => ''),
  );
  t.is(of(node.id).values.size, 0);
});

test('a peer that becomes a client keeps nothing for others on its disk', (t) => {
  t.log(`seed ${SEED}`);
  const { of } = disks();
  const world = ringOf(5, SEED, { valuesOf: of });
  const [writer, client] = world.peers;
  if (writer === undefined || client === undefined) return t.fail();
  storeMany(world, writer, 120);
  world.loop.run(2_000);
  t.true(of(client.id).values.size > 0);
  world.run(client, (now) => client.overlay.becomeClient(now));
  t.true(world.loop.runUntil(() => client.overlay.role === 'client', 90_000));
  world.loop.run(2_000);
  t.is(of(client.id).values.size, 0);
});
