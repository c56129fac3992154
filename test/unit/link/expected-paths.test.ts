import test from 'ava';
import type { Candidate } from '../../../src/base/candidate.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { hostCandidates } from '../../../src/ice/candidates.ts';
import type { Association } from '../../../src/link/association.ts';
import { ExpectedPaths } from '../../../src/link/expected-paths.ts';

const PORT = 6084;
const OWN = { address: '10.0.0.2', port: PORT };
const OWN_V6 = { address: '2001:db8:b::10', port: PORT };
const OUTSIDE = { address: '198.51.100.2', port: PORT };
const THERE = { address: '198.51.100.1', port: PORT };
const ELSEWHERE = { address: '198.51.100.3', port: PORT };

function candidate(type: Candidate['type'], address: string, priority: number): Candidate {
  return { type, address: { address, port: PORT }, priority, foundation: address };
}

/** Ends up with where the peer is expected, from where. */
class World {
  readonly expected: { local: SocketAddress; remote: SocketAddress }[] = [];
  remoteCandidates: readonly Candidate[] = [];
  isIndirect = false;
  readonly paths: ExpectedPaths;

  constructor(own: readonly SocketAddress[]) {
    const addresses = own.map(({ address }) => address);
    this.paths = new ExpectedPaths({
      candidates: hostCandidates(addresses, PORT),
      agreed: [{ base: OWN, server: THERE, mapped: OUTSIDE, seenAt: 0 }],
      has: (address) => addresses.includes(address),
      mayReach: (remote) => addresses.some((address) => address.includes(':') === remote.includes(':')),
    });
  }

  get association(): Association {
    const { remoteCandidates, isIndirect } = this;
    const part: Pick<Association, 'path' | 'isIndirect' | 'expectAt'> & {
      ice: { remoteCandidates: readonly Candidate[] };
    } = {
      path: { local: OWN, remote: THERE },
      ice: { remoteCandidates },
      isIndirect,
      expectAt: ({ local, remote }) => void this.expected.push({ local, remote }),
    };
    return part as Association;
  }

  named(...candidates: Candidate[]): void {
    this.paths.named(this.association, candidates);
  }
}

test('a peer that names other addresses than where it was is expected where everyone reaches it', (t) => {
  const world = new World([OWN]);
  world.named(candidate('host', '10.0.3.9', 300), candidate('srflx', ELSEWHERE.address, 200));
  t.deepEqual(world.expected, [{ local: OWN, remote: ELSEWHERE }]);
});

test('a peer that names where it was, or is on a path through others, is not expected elsewhere', (t) => {
  const world = new World([OWN]);
  world.named(candidate('srflx', ELSEWHERE.address, 200), candidate('srflx', THERE.address, 100));
  world.isIndirect = true;
  world.named(candidate('srflx', ELSEWHERE.address, 200));
  t.deepEqual(world.expected, []);
});

test('behind the same NAT, a peer is expected in the network inside', (t) => {
  const world = new World([OWN]);
  world.named(candidate('host', '10.0.0.9', 300), candidate('srflx', OUTSIDE.address, 200));
  t.deepEqual(world.expected, [{ local: OWN, remote: { address: '10.0.0.9', port: PORT } }]);
});

test('no path is expected to a family of addresses that this host has none of', (t) => {
  const world = new World([OWN]);
  world.named(candidate('host', '2001:db8:a::10', 300));
  t.deepEqual(world.expected, []);
});

test('a host that has lost its last address of a family expects the peer at what it has named of the other one', (t) => {
  const world = new World([OWN_V6]);
  world.remoteCandidates = [candidate('srflx', THERE.address, 200), candidate('host', '2001:db8:a::10', 300)];
  world.paths.outOfReach(world.association);
  t.deepEqual(world.expected, [{ local: OWN_V6, remote: { address: '2001:db8:a::10', port: PORT } }]);
});

test('a host that has another address of the family expects the peer nowhere else', (t) => {
  const world = new World([OWN]);
  world.remoteCandidates = [candidate('srflx', ELSEWHERE.address, 200)];
  world.paths.outOfReach(world.association);
  t.deepEqual(world.expected, []);
});
