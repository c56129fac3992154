import test from 'ava';
import { IDLOC_HOST } from '../../src/overlay/storage/kinds.ts';
import { halves } from '../../scripts/testbed/halves.ts';
import { Findings } from '../../scripts/testbed/report.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, hostRecord, storeHost } from '../sim/overlay/records.ts';

const SEED = 20261129;
const SPLIT_MS = 600_000;
/** From the first moment that the parts can reach each other again. */
const BOUND_MS = 300_000;

function ringOf(count: number): OverlayWorld {
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  world.grow(count);
  world.settle(120_000);
  return world;
}

/** Every other node of the ring, so that both parts lose half of all their neighbours. */
function split(world: OverlayWorld, parts = 2): SimNode[][] {
  const sorted = [...world.peers].sort((a, b) => (a.id < b.id ? -1 : 1));
  const partOf = new Map(sorted.map((node, i) => [node.id, i % parts]));
  world.partition(({ id }) => partOf.get(id));
  return Array.from({ length: parts }, (_, part) => sorted.filter(({ id }) => partOf.get(id) === part));
}

function readers(world: OverlayWorld, writers: readonly SimNode[]): SimNode[] {
  return writers.filter((writer) => {
    const reader = world.pick(world.peers);
    if (reader === undefined) return true;
    const result = fetchFrom(world, reader, hostRecord(writer.id), IDLOC_HOST.id);
    return !result.ok || result.values.length !== 1;
  });
}

test('halves of 50 that were split for 10 minutes are one ring again within 5, with all that was stored', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(100);
  for (const node of world.peers.filter((_, i) => i % 2 === 0)) t.true(storeHost(world, node, '198.18.0.1').ok);
  const [left = [], right = []] = split(world);
  world.loop.run(SPLIT_MS / 2);
  // Each half goes on by itself.
  const during = [...left, ...right].filter(({ id }) => id.endsWith('3') || id.endsWith('7'));
  for (const node of during) t.true(storeHost(world, node, '198.18.0.2').ok);
  world.loop.run(SPLIT_MS / 2);
  const before = world.messages;
  const healedAt = world.now;
  world.heal();
  t.true(world.settle(BOUND_MS), `${world.misplaced().length} are not in place`);
  t.log(`one ring after ${(world.now - healedAt) / 1_000} s, ${world.messages - before} messages`);
  world.loop.run(60_000);
  const writers = [...new Set([...world.peers.filter((_, i) => i % 2 === 0), ...during])];
  t.deepEqual(readers(world, writers), []);
});

test('one link between two rings of 50, and nobody who looks for lost peers, is enough to make them one', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(100);
  world.dials = false;
  const [[a] = [], right = []] = split(world);
  world.loop.run(SPLIT_MS);
  world.heal();
  const b = right.at(-7);
  if (a === undefined || b === undefined) return;
  const metAt = world.now;
  world.connect(a, b);
  t.true(world.settle(BOUND_MS), `${world.misplaced().length} are not in place`);
  t.log(`one ring after ${(world.now - metAt) / 1_000} s`);
});

test('three parts, one of them a single peer, become one ring', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(21);
  const [alone, ...others] = world.peers;
  world.partition((node) => (node === alone ? 'alone' : others.indexOf(node) % 2));
  world.loop.run(SPLIT_MS);
  t.deepEqual(alone?.overlay.snapshot(world.now).successors, []);
  world.heal();
  t.true(world.settle(BOUND_MS), `${world.misplaced().length} are not in place`);
});

test('two rings that were split for more than a day find each other within 5 minutes', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(4);
  split(world);
  world.loop.run(26 * 3_600_000);
  world.heal();
  t.true(world.settle(BOUND_MS), `${world.misplaced().length} are not in place`);
});

test('a peer whose last peer is gone says so, also when a client is still linked', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(2);
  const [peer, other] = world.peers;
  if (peer === undefined || other === undefined) return;
  const client = world.add('client');
  world.join(client, peer);
  world.loop.run(5_000);
  t.false(peer.events.some(({ type }) => type === 'isolated'));
  world.crash(other);
  world.loop.run(30_000);
  t.true(peer.links.up.has(client.id));
  t.is(peer.events.filter(({ type }) => type === 'isolated').length, 1);
});

test('a peer that only ever had clients is not isolated when one of two goes', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(1);
  const [peer] = world.peers;
  if (peer === undefined) return;
  const clients = [world.add('client'), world.add('client')] as const;
  for (const client of clients) world.join(client, peer);
  world.loop.run(5_000);
  world.crash(clients[0]);
  world.loop.run(30_000);
  t.false(peer.events.some(({ type }) => type === 'isolated'));
});

test('a ring in which nothing is missing makes no search, and a peer that said goodbye is not searched for', (t) => {
  t.log(`seed ${SEED}`);
  const world = ringOf(12);
  const [leaver] = world.peers;
  if (leaver !== undefined) world.leave(leaver);
  world.loop.run(SPLIT_MS);
  t.false(world.peers.some(({ events }) => events.some(({ type }) => type === 'seekPeer')));
});

test('halves whose hosts go on claiming are one ring again, with every name, and no address is held twice', (t) => {
  t.log(`seed ${SEED}`);
  const findings = new Findings();
  halves(findings, { nodes: 50, seed: SEED }, (text) => t.log(text));
  t.deepEqual(findings.report('halves').missed, []);
});
