import test from 'ava';
import type { NodeId } from '../../src/base/node-id.ts';
import { IDLOC_HOST, IDLOC_NAME } from '../../src/overlay/storage/kinds.ts';
import type { FetchResult } from '../../src/overlay/storage/storage-client.ts';
import { MESSAGE_CODES } from '../../src/reload/index.ts';
import { decodeEnvelope } from '../../src/reload/message.ts';
import { OverlayWorld, type SimNode, resourceOf } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, hostRecord, storeHost } from '../sim/overlay/records.ts';

const SEED = 20261128;
const PEERS = 16;

/** A ring in which everybody has stored a value, and nothing is sent that no test asks for. */
function settledRing(seed: number): { world: OverlayWorld; writers: SimNode[] } {
  const settings = { updateIntervalMs: 36_000_000, pingIntervalMs: 36_000_000 };
  const world = new OverlayWorld({ seed, signatures: 'fake', settings });
  world.grow(PEERS);
  if (!world.settle(30_000)) throw new Error('the ring does not settle');
  const writers = [...world.peers];
  for (const node of writers) if (!storeHost(world, node, '198.18.0.9').ok) throw new Error('not stored');
  world.loop.run(90_000);
  return { world, writers };
}

function isStore(message: Uint8Array): boolean {
  return decodeEnvelope(message).code === MESSAGE_CODES.store_req;
}

/** A newcomer whose place lies between those of others, with values that become its own. */
function newcomerWithRange(world: OverlayWorld, writers: readonly SimNode[]): { newcomer: SimNode; values: SimNode[] } {
  for (;;) {
    const newcomer = world.add();
    const values = writers.filter(({ id }) => world.responsible(hostRecord(id)) === newcomer.id);
    if (values.length > 0) return { newcomer, values };
    world.nodes.delete(newcomer.id);
  }
}

/** A newcomer in a settled ring that got nothing of its range: the hand-over is cut short, and copies are long in coming. */
function emptyNewcomer(seed: number): {
  world: OverlayWorld;
  newcomer: SimNode;
  values: SimNode[];
  writers: SimNode[];
} {
  const { world, writers } = settledRing(seed);
  const { newcomer, values } = newcomerWithRange(world, writers);
  const carry = world.carry.bind(world);
  world.carry = (from, to, message) => {
    if (to !== newcomer.id || !isStore(message)) carry(from, to, message);
  };
  world.join(newcomer, writers[0] ?? newcomer);
  if (!world.loop.runUntil(() => newcomer.overlay.state === 'joined', 60_000)) throw new Error('it does not join');
  world.loop.run(1_000);
  return { world, newcomer, values, writers };
}

for (const seed of [SEED, 1, 2])
  test(`a newcomer that got nothing of what it is responsible for says what its neighbours hold (seed ${seed})`, (t) => {
    const { world, newcomer, values, writers } = emptyNewcomer(seed);
    t.is(newcomer.overlay.snapshot(world.now).storedResources, 0);
    for (const { id } of values)
      for (const reader of [newcomer, world.pick(writers) ?? newcomer]) {
        const startedAt = world.now;
        const result = fetchFrom(world, reader, hostRecord(id), IDLOC_HOST.id);
        t.true(result.ok && result.values.length === 1 && result.responder === newcomer.id);
        t.true(world.now - startedAt < 2_000);
      }
  });

for (const seed of [SEED, 1, 2])
  test(`all hosts ask an empty newcomer for one thing in the same moment: each is told what its neighbours hold (seed ${seed})`, (t) => {
    const { world, values, writers } = emptyNewcomer(seed);
    const [{ id }] = values as [SimNode];
    const results: FetchResult[] = [];
    for (const reader of writers)
      world.run(reader, (now) =>
        reader.overlay.fetch({ resource: hostRecord(id), kind: IDLOC_HOST.id }, now, (result) => results.push(result)),
      );
    t.true(world.loop.runUntil(() => results.length === writers.length, 5_000));
    t.deepEqual(
      results.map((result) => (result.ok ? result.values.length : result.error.code)),
      writers.map(() => 1),
    );
  });

/** What some nodes send to another takes so much longer; undefined: it gets lost. */
function slow(world: OverlayWorld, from: (id: NodeId) => boolean, to: NodeId, ms: number | undefined): void {
  const carry = world.carry.bind(world);
  world.carry = (a, b, message) => {
    if (b !== to || !from(a)) carry(a, b, message);
    else if (ms !== undefined) world.loop.after(ms, () => carry(a, b, message));
  };
}

for (const seed of [SEED, 1, 2])
  test(`the neighbours of an empty newcomer take four seconds to answer, as on a busy machine: readers are told what they hold (seed ${seed})`, (t) => {
    const { world, newcomer, values, writers } = emptyNewcomer(seed);
    const after = new Set(newcomer.overlay.snapshot(world.now).successors);
    slow(world, (id) => after.has(id), newcomer.id, 4_000);
    const reader = world.pick(writers.filter(({ id }) => !after.has(id))) as SimNode;
    for (const { id } of values) {
      const result = fetchFrom(world, reader, hostRecord(id), IDLOC_HOST.id);
      t.is(result.ok ? result.values.length : result.error.code, 1);
    }
  });

test('those that keep copies of what an empty newcomer lacks say nothing at all: readers are told that it is not known', (t) => {
  t.log(`seed ${SEED}`);
  const { world, newcomer, values, writers } = emptyNewcomer(SEED);
  const after = new Set(newcomer.overlay.snapshot(world.now).successors);
  slow(world, (id) => after.has(id), newcomer.id, undefined);
  const reader = world.pick(writers.filter(({ id }) => !after.has(id))) as SimNode;
  const [{ id }] = values as [SimNode];
  const result = fetchFrom(world, reader, hostRecord(id), IDLOC_HOST.id);
  t.is(result.ok ? result.values.length : result.error.code, 'request_timeout');
});

test('one that keeps copies dies: that nothing is there is said as soon as its neighbours know', (t) => {
  t.log(`seed ${SEED}`);
  const { world, newcomer, writers } = emptyNewcomer(SEED);
  const [next] = newcomer.overlay.snapshot(world.now).successors;
  const dying = writers.find(({ id }) => id === next) as SimNode;
  world.crash(dying);
  let i = 0;
  while (world.responsible(resourceOf(`nobody-${i}`)) !== newcomer.id) i += 1;
  const startedAt = world.now;
  const result = fetchFrom(world, newcomer, resourceOf(`nobody-${i}`), IDLOC_NAME.id);
  t.is(result.ok ? result.values.length : result.error.code, 0);
  // Links of the dead take up to eight seconds to notice.
  t.true(world.now - startedAt < 9_000);
});

for (const seed of [SEED, 1, 2])
  test(`a newcomer without links to those before it finds what they have, though it takes their place for its own (seed ${seed})`, (t) => {
    const { world, writers } = settledRing(seed);
    const newcomer = world.add();
    const ids = [...writers.map(({ id }) => id), newcomer.id].sort();
    const at = ids.indexOf(newcomer.id) + ids.length;
    const before = new Set([1, 2, 3, 4].map((step) => ids[(at - step) % ids.length]));
    const isBetween = (a: NodeId, b: NodeId): boolean => a === newcomer.id && before.has(b);
    world.separated = (a, b) => isBetween(a, b) || isBetween(b, a);
    const bootstrap = writers.find(({ id }) => !before.has(id)) ?? newcomer;
    world.join(newcomer, bootstrap);
    t.true(world.loop.runUntil(() => newcomer.overlay.state === 'joined', 60_000));
    const theirs = writers.filter(({ id }) => before.has(world.responsible(hostRecord(id)) ?? ''));
    t.true(theirs.length > 0);
    for (const { id } of theirs) {
      const result = fetchFrom(world, newcomer, hostRecord(id), IDLOC_HOST.id);
      t.true(result.ok && result.values.length === 1, result.ok ? 'nothing' : result.error.message);
    }
  });

test('in a quiet ring nobody is asked before nothing is said', (t) => {
  t.log(`seed ${SEED}`);
  const { world, writers } = settledRing(SEED);
  for (let i = 0; i < 20; i++) {
    const before = world.messages;
    const result = fetchFrom(world, world.pick(writers) as SimNode, resourceOf(`nobody-${i}`), IDLOC_NAME.id);
    t.true(result.ok && result.values.length === 0);
    t.is(world.messages - before, 2 * (result.ok ? result.hops : 0));
  }
});

test('a newcomer is asked for a thousand things that do not exist: what it asks others is bounded, and it answers all', (t) => {
  t.log(`seed ${SEED}`);
  const { world, writers } = settledRing(SEED);
  const newcomer = world.add();
  world.join(newcomer, writers[0] ?? newcomer);
  t.true(world.loop.runUntil(() => newcomer.overlay.state === 'joined', 60_000));
  world.loop.run(5_000);
  const places: string[] = [];
  for (let i = 0; places.length < 1_000; i++) {
    const resource = resourceOf(`nobody-${i}`);
    if (world.responsible(resource) === newcomer.id) places.push(resource);
  }
  let answers = 0;
  let asked = 0;
  const carry = world.carry.bind(world);
  world.carry = (from, to, message) => {
    if (from === newcomer.id && decodeEnvelope(message).code === MESSAGE_CODES.fetch_req) asked += 1;
    carry(from, to, message);
  };
  const asker = world.pick(writers.filter(({ id }) => newcomer.links.isUp(id))) as SimNode;
  world.run(asker, (now) => {
    for (const resource of places)
      asker.overlay.fetch({ resource, kind: IDLOC_NAME.id }, now, (result) => {
        if (result.ok && result.values.length === 0) answers += 1;
      });
  });
  t.true(world.loop.runUntil(() => answers === places.length, 3_000));
  // Four for each of the 128 that are open at once.
  t.true(asked > 0 && asked <= 4 * 128, `${asked}`);
});
