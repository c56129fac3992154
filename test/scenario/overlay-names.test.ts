import test from 'ava';
import { parseIpv4Prefix } from '../../src/base/ipv4-prefix.ts';
import { ipv4Choice } from '../../src/overlay/ipv4-choice.ts';
import { type HostRecord, type Ipv4Holder, type LookupResult, type NamedHost } from '../../src/overlay/naming.ts';
import { IDLOC_IPV4 } from '../../src/overlay/storage/kinds.ts';
import { ipv4ResourceName } from '../../src/overlay/storage/values.ts';
import { type SimHost, growNamed } from '../sim/overlay/named-host.ts';
import { OverlayWorld, resourceOf } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, settled } from '../sim/overlay/records.ts';

const SEED = 20261125;
/** Two addresses for hosts: every pair of hosts collides half of the time. */
const TINY_PREFIX = '198.18.0.0/30';
const PREFIX = '198.18.0.0/15';

test('hosts of users are found by name, address and HIT, with who said it', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const hosts = growNamed(world, [
    'alice@overlay.example.net',
    'alice@overlay.example.net',
    'bob@overlay.example.net',
    null,
  ]);
  for (const { node, names } of hosts)
    world.run(node, (now) => {
      if (node.user !== null) names.claimName(node.user, now);
      names.claimIpv4({ prefix: PREFIX }, now);
    });
  world.loop.run(5_000);
  const [a1, a2, bob, nobody] = hosts;
  if (a1 === undefined || a2 === undefined || bob === undefined || nobody === undefined) return;
  for (const { node, names } of hosts) t.is(names.ipv4, ipv4Choice(parseIpv4Prefix(PREFIX), node.id, 0));

  const alice = settled<LookupResult<readonly NamedHost[]>>(world, bob.node, (now, done) =>
    bob.names.lookupName('alice@overlay.example.net', now, done),
  );
  t.true(alice.ok);
  if (!alice.ok) return;
  t.deepEqual(
    alice.value.map(({ hit, ipv4 }) => `${hit} ${ipv4 ?? ''}`).sort(),
    [a1, a2].map(({ node, names }) => `${node.id} ${names.ipv4 ?? ''}`).sort(),
  );
  for (const { hit, source } of alice.value) {
    t.is(source.signer, hit);
    t.true(source.responder === world.responsible(resourceOf('alice@overlay.example.net')));
    t.true(source.ageMs >= 0 && source.ageMs < 10_000);
  }
  const holder = settled<LookupResult<Ipv4Holder>>(world, a1.node, (now, done) =>
    a1.names.lookupIpv4(bob.names.ipv4 ?? '', now, done),
  );
  t.true(holder.ok && holder.value.hit === bob.node.id && holder.value.user === 'bob@overlay.example.net');
  const host = settled<LookupResult<HostRecord>>(world, a1.node, (now, done) =>
    a1.names.lookupHit(nobody.node.id, now, done),
  );
  t.true(host.ok && host.value.ipv4 === nobody.names.ipv4 && host.value.user === undefined);
  const missing = settled<LookupResult<readonly NamedHost[]>>(world, a1.node, (now, done) =>
    a1.names.lookupName('carol@overlay.example.net', now, done),
  );
  t.is(!missing.ok && missing.error.code, 'not_found');
});

test('hosts that want one IPv4 address get different ones, and a full prefix is said to be full', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, settings: { ipv4Prefix: TINY_PREFIX } });
  const hosts = growNamed(world, [null, null, null]);
  let exhausted = 0;
  for (const { node, names } of hosts) {
    names.onEvent((event) => {
      if (event.type === 'ipv4Exhausted') exhausted += 1;
    });
    world.run(node, (now) => names.claimIpv4({ prefix: TINY_PREFIX }, now));
  }
  world.loop.run(60_000);
  const claimed = hosts.map(({ names }) => names.ipv4).filter((ipv4) => ipv4 !== undefined);
  t.deepEqual([...claimed].sort(), ['198.18.0.1', '198.18.0.2']);
  t.is(exhausted, 1);
});

/** An address that both hosts choose, in a prefix that is small enough for that. */
function sharedChoice(prefix: string, a: SimHost, b: SimHost): string {
  const choices = ({ node }: SimHost): string[] =>
    Array.from({ length: 64 }, (_, i) => ipv4Choice(parseIpv4Prefix(prefix), node.id, i));
  const shared = choices(a).find((address) => choices(b).includes(address));
  if (shared === undefined) throw new Error('the hosts have no choice in common: take another seed');
  return shared;
}

test('of two hosts that claimed one address on both sides of a partition one keeps it, and the other takes its next choice', (t) => {
  t.log(`seed ${SEED}`);
  const prefix = '198.18.0.0/24';
  const world = new OverlayWorld({ seed: SEED, settings: { ipv4Prefix: prefix } });
  const left = growNamed(world, [null, null, null]);
  const right = growNamed(world, [null, null, null]);
  const [a] = left;
  const [b] = right;
  if (a === undefined || b === undefined) return;
  const preferred = sharedChoice(prefix, a, b);
  for (const { node, names } of [a, b]) world.run(node, (now) => names.claimIpv4({ prefix, preferred }, now));
  world.loop.run(5_000);
  t.deepEqual([a.names.ipv4, b.names.ipv4], [preferred, preferred]);
  world.join(b.node, a.node);
  t.true(world.settle(60_000));
  world.loop.run(5 * 60_000);
  const holders = [a, b].filter(({ names }) => names.ipv4 === preferred);
  t.is(holders.length, 1);
  t.true([a, b].every(({ names }) => names.ipv4 !== undefined));
  const resource = resourceOf(ipv4ResourceName(preferred));
  for (const { node } of [...left, ...right]) {
    const result = fetchFrom(world, node, resource, IDLOC_IPV4.id);
    t.true(result.ok && result.values[0]?.signer.nodeId === holders[0]?.node.id);
  }
  // The replicas follow: with the responsible peer gone, the address is still the same host's.
  const responsible = world.nodes.get(world.responsible(resource) ?? '');
  const [holder] = holders;
  if (responsible === undefined || holder === undefined) return;
  if (responsible !== holder.node) world.crash(responsible);
  world.loop.run(10 * 60_000);
  t.is(holder.names.ipv4, preferred);
});

test('a host claims the address that it held before, when that is free', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const [host] = growNamed(world, ['alice@overlay.example.net']);
  if (host === undefined) return;
  const before = ipv4Choice(parseIpv4Prefix(PREFIX), host.node.id, 5);
  world.run(host.node, (now) => host.names.claimIpv4({ prefix: PREFIX, preferred: before }, now));
  world.loop.run(2_000);
  t.is(host.names.ipv4, before);
});

test('a host that has no address yet stores its name once, with the address that it claims', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const hosts = growNamed(world, ['alice@overlay.example.net', 'bob@overlay.example.net', null]);
  const [alice, bob] = hosts;
  if (alice === undefined || bob === undefined) return;
  let stored = 0;
  alice.names.onEvent(({ type }) => {
    if (type === 'nameStored') stored += 1;
  });
  world.run(alice.node, (now) => {
    alice.names.claimIpv4({ prefix: PREFIX }, now);
    alice.names.claimName('alice@overlay.example.net', now);
  });
  world.loop.run(5_000);
  t.is(stored, 1);
  const found = settled<LookupResult<readonly NamedHost[]>>(world, bob.node, (now, done) =>
    bob.names.lookupName('alice@overlay.example.net', now, done),
  );
  t.true(found.ok);
  if (found.ok)
    t.deepEqual(
      found.value.map(({ ipv4 }) => ipv4),
      [alice.names.ipv4],
    );
});

test('a host that finds no free address has its name stored all the same, two seconds later', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const hosts = growNamed(world, [null, null, 'alice@overlay.example.net']);
  const [first, second, alice] = hosts;
  if (first === undefined || second === undefined || alice === undefined) return;
  for (const { node, names } of [first, second]) {
    world.run(node, (now) => names.claimIpv4({ prefix: TINY_PREFIX }, now));
    world.loop.run(5_000);
  }
  world.run(alice.node, (now) => {
    alice.names.claimIpv4({ prefix: TINY_PREFIX }, now);
    alice.names.claimName('alice@overlay.example.net', now);
  });
  world.loop.run(2_000);
  t.is(alice.names.ipv4, undefined);
  const found = settled<LookupResult<readonly NamedHost[]>>(world, first.node, (now, done) =>
    first.names.lookupName('alice@overlay.example.net', now, done),
  );
  t.true(found.ok);
  if (found.ok)
    t.deepEqual(
      found.value.map(({ hit, ipv4 }) => ({ hit, ipv4 })),
      [{ hit: alice.node.id, ipv4: undefined }],
    );
});
