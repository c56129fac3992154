import { named, type SimHost } from '../../test/sim/overlay/named-host.ts';
import { OverlayWorld, resourceOf } from '../../test/sim/overlay/overlay-world.ts';
import { fetchFrom, hostRecord } from '../../test/sim/overlay/records.ts';
import { IDLOC_HOST, IDLOC_IPV4, IDLOC_NAME } from '../../src/overlay/storage/kinds.ts';
import { ipv4ResourceName } from '../../src/overlay/storage/values.ts';
import type { Findings } from './report.ts';

const MINUTE_MS = 60_000;
const SPLIT_MS = 10 * MINUTE_MS;
/** From the first moment that the halves can reach each other again. */
const BOUND_MS = 5 * MINUTE_MS;
const SETTLE_MS = 5 * MINUTE_MS;
const JOIN_EVERY_MS = 100;
/** Addresses for each host: few enough that hosts of both halves choose the same. */
const ADDRESSES_EACH = 1.5;

export interface HalvesOptions {
  /** Of each half. */
  readonly nodes: number;
  readonly seed: number;
}

/**
 * A simulated ring falls into two halves, each of which goes on by itself: half of all hosts claim their names and addresses
 * only then, so that some are held on both sides. Then the halves meet. All in virtual time.
 */
export function halves(findings: Findings, { nodes, seed }: HalvesOptions, progress: (text: string) => void): void {
  const world = new OverlayWorld({ seed, signatures: 'fake', settings: { ipv4Prefix: prefixFor(nodes) } });
  const hosts = grow(world, 2 * nodes);
  progress(`a ring of ${hosts.length}`);
  claim(
    world,
    hosts.filter((_, i) => i % 2 === 0),
  );
  world.loop.run(MINUTE_MS);
  // Every other node of the ring, so that both lose half of all their neighbours.
  const sorted = [...hosts].sort((a, b) => (a.node.id < b.node.id ? -1 : 1));
  const halfOf = new Map(sorted.map(({ node }, i) => [node.id, i % 2]));
  world.partition(({ id }) => halfOf.get(id));
  world.loop.run(SPLIT_MS / 2);
  claim(
    world,
    hosts.filter((_, i) => i % 2 === 1),
  );
  world.loop.run(SPLIT_MS / 2);
  const heldTwice = hosts.length - addressesOf(hosts).size;
  progress(`split for ten minutes, ${heldTwice} addresses are held on both sides`);

  const metAt = world.now;
  const before = world.messages;
  world.heal();
  const isOneRing = world.settle(BOUND_MS);
  const oneRingS = (world.now - metAt) / 1000;
  progress(isOneRing ? `one ring after ${oneRingS.toFixed(1)} s` : `${world.misplaced().length} are not in place`);
  world.loop.run(Math.max(0, metAt + SETTLE_MS - world.now));
  const perNode = (world.messages - before) / hosts.length;

  findings.figure('halves.nodes', nodes, 0);
  findings.figure('halves.one_ring_s', oneRingS, 1);
  findings.expect('halves.one_ring_s', isOneRing, `at most ${BOUND_MS / 1000}`);
  const lost = hosts.filter((host) => !isFound(world, hosts, host)).length;
  findings.figure('halves.values_lost', lost, 0);
  findings.expect('halves.values_lost', lost === 0, 'none');
  findings.figure('halves.held_twice_before', heldTwice, 0);
  findings.expect('halves.held_twice_before', heldTwice > 0, 'some, or nothing had to be settled');
  const twice = hosts.length - addressesOf(hosts).size;
  findings.figure('halves.held_twice', twice, 0);
  findings.expect('halves.held_twice', twice === 0, 'none');
  findings.figure('halves.messages_each', perNode, 0);
}

/** A prefix with so many addresses for all hosts, at least. */
function prefixFor(nodes: number): string {
  return `198.18.0.0/${32 - Math.ceil(Math.log2(2 * nodes * ADDRESSES_EACH))}`;
}

function grow(world: OverlayWorld, count: number): SimHost[] {
  const first = world.add('peer', 'host0@example.net');
  world.create(first);
  const nodes = [first];
  for (let i = 1; i < count; i++) {
    const node = world.add('peer', `host${i}@example.net`);
    const members = nodes.filter(({ overlay }) => overlay.state === 'joined');
    world.join(node, world.pick(members) ?? first);
    nodes.push(node);
    world.loop.run(JOIN_EVERY_MS);
  }
  world.settle(5 * MINUTE_MS);
  return nodes.map((node) => named(world, node));
}

function claim(world: OverlayWorld, hosts: readonly SimHost[]): void {
  for (const { node, names } of hosts)
    world.run(node, (now) => {
      names.claimName(node.user ?? '', now);
      names.claimIpv4({ prefix: world.settings.ipv4Prefix }, now);
    });
}

/** A host without an address counts like one whose address is another's. */
function addressesOf(hosts: readonly SimHost[]): Set<string> {
  return new Set(hosts.flatMap(({ names }) => names.ipv4 ?? []));
}

/** Name, address and host record lead to the host, whoever asks. */
function isFound(world: OverlayWorld, hosts: readonly SimHost[], { node, names }: SimHost): boolean {
  const reader = world.pick(hosts)?.node ?? node;
  const places = [
    [resourceOf(node.user ?? ''), IDLOC_NAME.id],
    [resourceOf(ipv4ResourceName(names.ipv4 ?? '')), IDLOC_IPV4.id],
    [hostRecord(node.id), IDLOC_HOST.id],
  ] as const;
  return places.every(([resource, kind]) => {
    const result = fetchFrom(world, reader, resource, kind);
    return result.ok && result.values[0]?.signer.nodeId === node.id;
  });
}
