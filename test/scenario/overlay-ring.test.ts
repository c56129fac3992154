import test from 'ava';
import { IDLOC_HOST } from '../../src/overlay/storage/kinds.ts';
import { OverlayWorld } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, hostRecord, storeHost } from '../sim/overlay/records.ts';

const SEED = 20261122;

test('a peer alone is responsible for everything, and reads what it stored', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const [alone] = world.grow(1);
  t.is(alone?.overlay.state, 'joined');
  if (alone === undefined) return;
  t.is(alone.overlay.snapshot(world.now).responsibleFraction, 1);
  t.true(storeHost(world, alone, '198.18.0.1').ok);
  const result = fetchFrom(world, alone, hostRecord(alone.id), IDLOC_HOST.id);
  t.true(result.ok && result.values.length === 1 && result.responder === alone.id && result.hops === 0);
});

for (const count of [2, 3, 8])
  test(`${count} peers agree on the ring and read each other's values`, (t) => {
    t.log(`seed ${SEED}`);
    const world = new OverlayWorld({ seed: SEED });
    world.grow(count);
    t.true(world.settle(30_000));
    for (const [i, node] of world.peers.entries()) t.true(storeHost(world, node, `198.18.0.${i + 1}`).ok);
    for (const reader of world.peers)
      for (const writer of world.peers) {
        const result = fetchFrom(world, reader, hostRecord(writer.id), IDLOC_HOST.id);
        t.true(result.ok && result.values.length === 1);
        t.true(result.ok && result.responder === world.responsible(hostRecord(writer.id)));
        t.true(result.ok && result.values[0]?.signer.nodeId === writer.id);
      }
  });

test('50 peers join one after the other, agree on the ring and find everything in few hops', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  world.grow(50);
  t.true(world.settle(60_000));
  for (const [i, node] of world.peers.entries()) t.true(storeHost(world, node, `198.18.1.${i + 1}`).ok);
  let hops = 0;
  for (const writer of world.peers) {
    const reader = world.pick(world.peers) ?? writer;
    const result = fetchFrom(world, reader, hostRecord(writer.id), IDLOC_HOST.id);
    t.true(result.ok && result.values.length === 1);
    if (result.ok) hops += result.hops;
  }
  t.log(`mean links of an answer ${hops / 50}, messages ${world.messages}`);
  t.true(hops / 50 < 4);
});

test('peers leave one after another, each hands its place over, and their values stay', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  world.grow(10);
  t.true(world.settle(30_000));
  const writers = [...world.peers];
  for (const node of writers) t.true(storeHost(world, node, '198.18.0.9').ok);
  for (let i = 0; i < 6; i++) {
    const leaver = world.pick(world.peers);
    if (leaver === undefined) return;
    world.leave(leaver);
    t.true(world.settle(20_000));
    world.loop.run(35_000);
    t.is(leaver.overlay.state, 'left');
  }
  for (const writer of writers) {
    const reader = world.pick(world.peers);
    if (reader === undefined) return;
    const result = fetchFrom(world, reader, hostRecord(writer.id), IDLOC_HOST.id);
    t.true(result.ok && result.values.length === 1);
  }
});

test('two rings that meet become one, and every value can be read from both sides', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const left = world.grow(5);
  const right = world.grow(5);
  world.loop.run(5_000);
  for (const node of world.peers) t.true(storeHost(world, node, '198.18.0.9').ok);
  const [a] = left;
  const [b] = right;
  if (a === undefined || b === undefined) return;
  world.join(b, a);
  t.true(world.settle(60_000));
  world.loop.run(60_000);
  for (const reader of [a, b])
    for (const writer of world.peers) {
      const result = fetchFrom(world, reader, hostRecord(writer.id), IDLOC_HOST.id);
      t.true(result.ok && result.values.length === 1, `${writer.id} read by ${reader.id}`);
    }
});

test('a link that ICE has mended costs an Update of each end: no neighbour is lost, nothing is copied again', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  world.grow(5);
  t.true(world.settle(30_000));
  for (const node of world.peers) t.true(storeHost(world, node, '198.18.0.9').ok);
  world.loop.run(5_000);
  const [a, b] = world.peers;
  if (a === undefined || b === undefined) return t.fail();
  const others = world.peers.map(({ overlay }) => overlay.snapshot(world.now).predecessors.join());
  const before = world.messages;
  world.mend(a, b);
  t.deepEqual(
    world.peers.map(({ overlay }) => overlay.snapshot(world.now).predecessors.join()),
    others,
  );
  world.loop.run(2_000);
  t.is(world.messages - before, 4, 'an UpdateReq and its answer in each direction');
});

test('a newcomer gets in although its links are mended all the time', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  world.grow(5);
  t.true(world.settle(30_000));
  const [bootstrap] = world.peers;
  const newcomer = world.add();
  if (bootstrap === undefined) return t.fail();
  world.join(newcomer, bootstrap);
  const startedAt = world.now;
  while (newcomer.overlay.state !== 'joined' && world.now < startedAt + 20_000) {
    world.loop.run(20);
    for (const hit of newcomer.links.up) {
      const peer = world.nodes.get(hit);
      if (peer !== undefined) world.mend(newcomer, peer);
    }
  }
  t.log(`joined after ${world.now - startedAt} ms`);
  t.is(newcomer.overlay.state, 'joined');
  t.true(world.settle(5_000));
});
