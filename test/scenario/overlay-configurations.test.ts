import test from 'ava';
import { IDLOC_HOST, kindsOf } from '../../src/overlay/storage/kinds.ts';
import type { StoreResult } from '../../src/overlay/storage/storage-client.ts';
import { OverlayWorld, documentOf } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, hostRecord, settled, storeHost } from '../sim/overlay/records.ts';

const SEED = 20261128;

function ringOf(count: number): OverlayWorld {
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  world.grow(count);
  world.settle(60_000);
  return world;
}

test('a newer document that half of the peers have, and the others refuse, does not split the ring', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(24);
  world.takesDocuments = false;
  for (const node of world.peers.slice(0, 12))
    world.run(node, (now) => node.overlay.setConfiguration(2, documentOf(2), now));
  const before = world.peers.map(({ events }) => events.length);
  world.loop.run(1_800_000);
  t.deepEqual(world.misplaced(), []);
  t.deepEqual(
    world.peers.map(({ events }) => events.length),
    before,
    'no neighbour was lost for a moment',
  );
  const newcomer = world.add();
  const [bootstrap] = world.peers;
  if (bootstrap !== undefined) world.join(newcomer, bootstrap);
  t.true(world.settle(60_000), 'newcomers get in');
});

test('a document that one peer has reaches all within seconds, each linked pair exchanging it about once', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(40);
  const [first] = world.peers;
  if (first === undefined) return;
  const before = world.messages;
  world.run(first, (now) => first.overlay.setConfiguration(7, documentOf(7), now));
  world.loop.run(10_000);
  for (const { overlay } of world.peers) t.is(overlay.snapshot(world.now).configurationSequence, 7);
  const links = world.peers.reduce((sum, { links: { up } }) => sum + up.size, 0) / 2;
  // Question and answer, sometimes both ways at once.
  t.true(world.messages - before < links * 4 + 200, `${world.messages - before} messages on ${links} links`);
});

test('requests for values succeed while a document spreads, and the document comes to a newcomer', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(20);
  for (const node of world.peers) t.true(storeHost(world, node, '198.18.0.1').ok);
  const [first, second] = world.peers;
  if (first === undefined || second === undefined) return;
  world.run(first, (now) => first.overlay.setConfiguration(2, documentOf(2), now));
  for (const reader of world.peers) {
    const result = fetchFrom(world, reader, hostRecord(second.id), IDLOC_HOST.id);
    t.true(result.ok && result.values.length === 1);
  }
  const newcomer = world.add();
  world.join(newcomer, second);
  world.loop.run(20_000);
  t.is(newcomer.overlay.snapshot(world.now).configurationSequence, 2);
});

test('a Kind of a newer document is stored and found as soon as the document is in force, and not before', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(8);
  const writer = world.peers.find(({ id }) => world.responsible(hostRecord(id)) !== id);
  const reader = world.peers.find((node) => node !== writer);
  if (writer === undefined || reader === undefined) return t.fail();
  const kind = 0xf0000042;
  const notes = { kind, dataModel: 'SINGLE', accessControl: 'NODE-MATCH', maxCount: 1, maxSize: 100 } as const;
  const spec = {
    resource: hostRecord(writer.id),
    kind,
    value: { model: 'single', exists: true, value: Buffer.from('a note') },
    lifetimeS: 3_600,
  } as const;
  const store = (): StoreResult =>
    settled<StoreResult>(world, writer, (now, done) => writer.overlay.store(spec, now, done));
  t.throws(store, { instanceOf: TypeError });
  world.run(writer, () => writer.overlay.setKinds(kindsOf([notes])));
  const refused = store();
  t.false(refused.ok, 'the others do not know it yet');
  for (const node of world.peers) world.run(node, () => node.overlay.setKinds(kindsOf([notes])));
  t.true(store().ok);
  const found = fetchFrom(world, reader, hostRecord(writer.id), kind);
  t.true(found.ok && found.values.length === 1);
});
