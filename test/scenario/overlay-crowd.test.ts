import test from 'ava';
import { REPLICAS } from '../../src/overlay/constants.ts';
import { IDLOC_IPV4, IDLOC_NAME } from '../../src/overlay/storage/kinds.ts';
import type { FetchResult } from '../../src/overlay/storage/storage-client.ts';
import { ipv4ResourceName } from '../../src/overlay/storage/values.ts';
import { type SimHost, named } from '../sim/overlay/named-host.ts';
import { OverlayWorld, resourceOf } from '../sim/overlay/overlay-world.ts';
import { settled } from '../sim/overlay/records.ts';

const PREFIX = '198.18.0.0/15';
const NEWCOMERS = 7;

/** Hosts that join one upon the other, and claim their addresses as soon as they are in. */
function crowd(world: OverlayWorld, gapMs: number): SimHost[] {
  const founder = world.add();
  world.create(founder);
  const hosts = [named(world, founder)];
  for (let i = 0; i < NEWCOMERS; i++) {
    const node = world.add();
    hosts.push(named(world, node));
    world.loop.after(i * gapMs, () => world.join(node, founder));
  }
  for (const { node, names } of hosts) world.run(node, (now) => names.claimIpv4({ prefix: PREFIX }, now));
  return hosts;
}

const CROWDS = [
  ...[19, 33, 66].map((seed) => ({ seed, gapMs: 20, latencyMs: [5, 30] as const })),
  ...[1, 20, 78].map((seed) => ({ seed, gapMs: 0, latencyMs: [5, 200] as const })),
];

for (const { seed, gapMs, latencyMs } of CROWDS)
  test(`a crowd joins at once and claims addresses: five seconds later each claim is at the peer that is responsible and the two after it (seed ${seed})`, (t) => {
    const world = new OverlayWorld({ seed, signatures: 'fake', latencyMs });
    const hosts = crowd(world, gapMs);
    t.true(world.loop.runUntil(() => hosts.every(({ names }) => names.ipv4 !== undefined), 20_000));
    t.true(world.settle(20_000));
    world.loop.run(5_000);
    const ids = hosts.map(({ node }) => node.id).sort();
    for (const { node, names } of hosts) {
      const resource = resourceOf(ipv4ResourceName(names.ipv4 ?? ''));
      const first = ids.indexOf(world.responsible(resource) ?? '');
      for (let i = 0; i <= REPLICAS; i++) {
        const from = ids[(first + i) % ids.length] ?? '';
        const copy = settled<FetchResult>(world, node, (now, done) =>
          node.overlay.fetch({ resource, kind: IDLOC_IPV4.id, from }, now, done),
        );
        t.is(copy.ok ? copy.values[0]?.signer.nodeId : copy.error.code, node.id, `copy ${i} of ${resource}`);
      }
    }
  });

/** Milliseconds that each lookup of a name takes which the founder begins as one more of a crowd comes: as one that lets hosts in does. */
function lookupsAmidCrowd(seed: number): number[] {
  const world = new OverlayWorld({ seed, signatures: 'fake', latencyMs: [5, 30] });
  const founder = world.add();
  world.create(founder);
  const hosts = [named(world, founder)];
  const enter = (): void => {
    const node = world.add();
    hosts.push(named(world, node));
    world.join(node, founder);
  };
  for (let i = 0; i < 3; i++) {
    enter();
    world.settle(20_000);
  }
  world.loop.run(5_000);
  const took: number[] = [];
  for (let i = 0; i < 12; i++)
    world.loop.after(i * 80, () => {
      const begun = world.now;
      world.run(founder, (now) =>
        founder.overlay.fetch({ resource: resourceOf(`user${seed}-${i}@x`), kind: IDLOC_NAME.id }, now, ({ ok }) => {
          took.push(ok ? world.now - begun : Infinity);
        }),
      );
      enter();
    });
  world.loop.run(20_000);
  return took;
}

// Of each seed a question comes where the ring has just moved on.
for (const seed of [1, 3, 8, 11, 17, 31, 37])
  test(`a crowd of twelve joins: every lookup that goes on meanwhile has its answer within a second and a half (seed ${seed})`, (t) => {
    const took = lookupsAmidCrowd(seed);
    t.is(took.length, 12);
    t.true(Math.max(...took) < 1_500, `${took.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  });

for (const seed of [5, 12, 18, 35])
  test(`a question that is another's to answer by now goes there: it does not wait for its repetition (seed ${seed})`, (t) => {
    const took = lookupsAmidCrowd(seed);
    t.is(took.length, 12);
    t.true(Math.max(...took) < 1_000, `${took.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  });
