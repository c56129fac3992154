import test from 'ava';
import { IDLOC_HOST, IDLOC_IPV4, IDLOC_NAME } from '../../src/overlay/storage/kinds.ts';
import { ipv4ResourceName } from '../../src/overlay/storage/values.ts';
import { type SimHost, named } from '../sim/overlay/named-host.ts';
import { OverlayWorld, resourceOf } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, hostRecord } from '../sim/overlay/records.ts';

const SEED = 20261129;
/** 30 addresses for 24 hosts: many hold the same one on both sides. */
const PREFIX = '198.18.0.0/27';
const HOSTS_EACH = 12;
const MINUTE_MS = 60_000;

/** A ring of its own, whose hosts have names and addresses. */
function ringOf(world: OverlayWorld, side: string): SimHost[] {
  const nodes = Array.from({ length: HOSTS_EACH }, (_, i) => world.add('peer', `${side}${i}@example.net`));
  const [first] = nodes;
  if (first === undefined) return [];
  world.create(first);
  for (const node of nodes.slice(1)) {
    world.join(node, first);
    world.loop.run(1_000);
  }
  const hosts = nodes.map((node) => named(world, node));
  for (const { node, names } of hosts)
    world.run(node, (now) => {
      names.claimName(node.user ?? '', now);
      names.claimIpv4({ prefix: PREFIX }, now);
    });
  world.loop.run(30_000);
  return hosts;
}

test('two rings that lived apart for ten minutes meet: within five minutes no address is held twice and nothing is lost', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake', settings: { ipv4Prefix: PREFIX } });
  const left = ringOf(world, 'left');
  const right = ringOf(world, 'right');
  const hosts = [...left, ...right];
  const before = new Map(hosts.map(({ node, names }) => [node.id, names.ipv4]));
  t.true([...before.values()].every((address) => address !== undefined));
  const twice = before.size - new Set(before.values()).size;
  t.true(twice >= 4, `${twice} addresses are held on both sides`);
  world.loop.run(10 * MINUTE_MS);
  const [a] = left;
  const [b] = right;
  if (a === undefined || b === undefined) return t.fail();
  world.join(b.node, a.node);
  t.true(world.settle(2 * MINUTE_MS));
  world.loop.run(5 * MINUTE_MS - 60_000);
  const addresses = hosts.map(({ names }) => names.ipv4);
  t.true(addresses.every((address) => address !== undefined));
  t.is(new Set(addresses).size, hosts.length);
  const moved = hosts.filter(({ node, names }) => before.get(node.id) !== names.ipv4).length;
  t.log(`${twice} addresses were held twice, ${moved} hosts have moved`);
  t.is(moved, twice);
  for (const { node, names } of hosts) {
    const reader = world.pick(hosts)?.node ?? node;
    const claim = fetchFrom(world, reader, resourceOf(ipv4ResourceName(names.ipv4 ?? '')), IDLOC_IPV4.id);
    t.true(claim.ok && claim.values[0]?.signer.nodeId === node.id);
    const name = fetchFrom(world, reader, resourceOf(node.user ?? ''), IDLOC_NAME.id);
    t.true(name.ok && name.values[0]?.signer.nodeId === node.id);
    const host = fetchFrom(world, reader, hostRecord(node.id), IDLOC_HOST.id);
    t.true(host.ok && host.values.length === 1);
  }
});
