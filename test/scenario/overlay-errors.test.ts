import test from 'ava';
import { NameService } from '../../src/overlay/naming.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { PingResult } from '../../src/overlay/overlay-node.ts';
import { IDLOC_HOST } from '../../src/overlay/storage/kinds.ts';
import { ERROR_CODES } from '../../src/reload/index.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, hostRecord, settled, storeHost } from '../sim/overlay/records.ts';
import { refuseOnTheWay } from '../sim/overlay/refusing-member.ts';

const SEED = 20261127;
const CODES = ['not_found', 'forbidden', 'ttl_exceeded'] as const;

function refusers(world: OverlayWorld, count: number): SimNode[] {
  const chosen = world.peers.filter((_, i) => i % 5 === 2).slice(0, count);
  for (const [i, node] of chosen.entries()) refuseOnTheWay(world, node, CODES[i % CODES.length] ?? 'forbidden');
  return chosen;
}

test('errors of nodes on the way end no lookup: another way is taken', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  world.grow(40);
  t.true(world.settle(60_000));
  for (const node of world.peers) t.true(storeHost(world, node, '198.18.0.1').ok);
  world.loop.run(40_000);
  const hostile = refusers(world, 4);
  const honest = world.peers.filter((node) => !hostile.includes(node));
  let found = 0;
  let tried = 0;
  for (const reader of honest)
    for (const writer of honest.filter((_, i) => i % 4 === 0)) {
      tried += 1;
      const result = fetchFrom(world, reader, hostRecord(writer.id), IDLOC_HOST.id);
      if (result.ok && result.values.length === 1) found += 1;
      else if (!result.ok) t.not(result.error.errorCode, ERROR_CODES.not_found);
    }
  t.log(`found ${found} of ${tried}`);
  t.is(found, tried);
});

test('errors of nodes on the way leave 99 of 100 pings their answer, and end none before its time', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  world.grow(40);
  t.true(world.settle(60_000));
  const hostile = refusers(world, 4);
  const honest = world.peers.filter((node) => !hostile.includes(node));
  let tried = 0;
  let reached = 0;
  for (const from of honest)
    for (const to of honest.slice(-9)) {
      if (from === to) continue;
      const startedAt = world.now;
      const result = settled<PingResult>(world, from, (now, done) => from.overlay.ping(to.id, now, done));
      tried += 1;
      if (result.ok) reached += 1;
      // Five transmissions, the second of them at once.
      else t.true(world.now - startedAt > 12_000);
    }
  t.log(`reached ${reached} of ${tried}`);
  t.true(reached >= tried * 0.99);
});

test('a client keeps its IPv4 address though its way in answers every request with Forbidden', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake' });
  world.grow(20);
  t.true(world.settle(60_000));
  const client = world.add('client');
  const [bootstrap] = world.peers;
  if (bootstrap === undefined) return;
  world.join(client, bootstrap);
  world.loop.run(5_000);
  const names = new NameService({
    overlay: client.overlay,
    clock: { monotonic: () => world.now, wall: () => 1_700_000_000_000 + world.now },
    logger: silentLogger,
  });
  const turn = (ms: number): void => {
    for (let i = 0; i < ms; i += 100) {
      world.run(client, (now) => names.handleTimeout(now));
      world.loop.run(100);
    }
  };
  world.run(client, (now) => names.claimIpv4({ prefix: '198.18.0.0/15' }, now));
  turn(5_000);
  const held = names.ipv4;
  t.truthy(held);
  const responsible = world.nodes.get(client.overlay.snapshot(world.now).responsiblePeer ?? '');
  if (responsible === undefined || held === undefined) return;
  refuseOnTheWay(world, responsible, 'forbidden');
  world.run(client, (now) => names.refresh(now));
  turn(120_000);
  t.is(names.ipv4, held);
});
