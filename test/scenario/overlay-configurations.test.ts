import test from 'ava';
import { IDLOC_HOST } from '../../src/overlay/storage/kinds.ts';
import { OverlayWorld, documentOf } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, hostRecord, storeHost } from '../sim/overlay/records.ts';

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
