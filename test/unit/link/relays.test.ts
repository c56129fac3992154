import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Candidate } from '../../../src/base/candidate.ts';
import { hitToAddress } from '../../../src/base/node-id.ts';
import { STREAM_LOCAL_ADDRESS, toStreamAddress } from '../../../src/base/stream-address.ts';
import { canPair } from '../../../src/ice/candidate-pair.ts';
import { candidatePriority } from '../../../src/ice/candidates.ts';
import { SYMMETRIC_NAT } from '../../sim/network/nat.ts';
import { simHit } from '../../sim/network/sim-node.ts';
import { ThreeHosts } from '../../sim/network/three-hosts.ts';

const CREDENTIALS = { ufrag: 'abcdefgh', pwd: 'abcdefghijklmnopqrstuvwx' };
/** RFC 8445 s5.1.2.1: of any other type the priority is more. */
const MOST_OF_A_RELAY = 2 ** 24 - 1;

function relay(n: number, relatedAddress = { address: `203.0.113.${n}`, port: 6084 }): Candidate {
  const address = { address: hitToAddress(simHit(n)), port: 0 };
  return { type: 'relay', address, priority: candidatePriority('relay', 1), foundation: `r${n}`, relatedAddress };
}

function joined(t: ExecutionContext, seed: number): ThreeHosts {
  const world = new ThreeHosts(t, seed, { natA: SYMMETRIC_NAT, natB: SYMMETRIC_NAT, relay: true });
  t.true(world.join());
  return world;
}

/** Where datagrams go from now on. */
function destinationsOf({ network: { internet } }: ThreeHosts): Set<string> {
  const reached = new Set<string>();
  internet.isCut = ({ destination }) => {
    reached.add(destination.address);
    return false;
  };
  return reached;
}

test('an offer names the peer in the open that it is linked with, by its HIT and where it is, behind all others', (t) => {
  const world = joined(t, 1);
  const { candidates } = world.a.links.offer(world.b.hit);
  const relays = candidates.filter(({ type }) => type === 'relay');
  t.is(relays.length, 1);
  t.deepEqual(relays[0]?.address, { address: hitToAddress(world.peer.hit), port: 0 });
  t.deepEqual(relays[0]?.relatedAddress, { address: '203.0.113.1', port: 6084 });
  t.true((relays[0]?.priority ?? Infinity) <= MOST_OF_A_RELAY);
  t.true(candidates.every(({ type, priority }) => type === 'relay' || priority > MOST_OF_A_RELAY));
});

test('whom the offer is for is no relay to itself, nor is a host behind a NAT', (t) => {
  const world = joined(t, 2);
  t.deepEqual(
    world.a.links.offer(world.peer.hit).candidates.filter(({ type }) => type === 'relay'),
    [],
  );
  t.deepEqual(
    world.peer.links.offer(simHit(9)).candidates.filter(({ type }) => type === 'relay'),
    [],
  );
});

test('two relays are named, and those that the other end has named come first', (t) => {
  const world = joined(t, 3);
  const asked = world.b.links.answer(simHit(9), { ...CREDENTIALS, candidates: [relay(7), relay(1)] });
  const relays = asked.candidates.filter(({ type }) => type === 'relay');
  t.deepEqual(
    relays.map(({ address }) => address.address),
    [hitToAddress(world.peer.hit)],
  );
});

test('an offer of many relays costs each of two of them a handshake, and its HITs as hosts cost nobody anything', (t) => {
  const world = joined(t, 4);
  const relays = Array.from({ length: 40 }, (_, i) => relay(40 + i));
  const hosts = [1, 2, 3].map((n): Candidate => ({
    type: 'host',
    address: { address: hitToAddress(simHit(n)), port: 6084 },
    priority: candidatePriority('host', n),
    foundation: `h${n}`,
  }));
  const reached = destinationsOf(world);
  world.b.input(() => world.b.links.answer(simHit(9), { ...CREDENTIALS, candidates: [...hosts, ...relays] }));
  world.network.loop.run(30_000);
  t.deepEqual(
    [...reached].filter((address) => /203\.0\.113\.[4-9]\d/.test(address)),
    ['203.0.113.40', '203.0.113.41'],
  );
  t.false([...reached].some((address) => address.startsWith('2001:2')));
});

test('a relay at an address of this host, of the overlay or of nobody is not dialed', (t) => {
  const world = joined(t, 5);
  const nowhere = ['127.0.0.1', '0.0.0.0', '224.0.0.1', hitToAddress(simHit(3))];
  const reached = destinationsOf(world);
  for (const address of nowhere) {
    const candidates = [relay(50, { address, port: 6084 })];
    world.b.input(() => world.b.links.answer(simHit(9), { ...CREDENTIALS, candidates }));
    world.network.loop.run(5_000);
    t.false(reached.has(address), address);
  }
  t.true(reached.has('203.0.113.1'));
});

test('a way by a relay is paired with the HIT of the other end only, and that with nothing else', (t) => {
  const byRelay = { address: hitToAddress(simHit(1)), port: 6084 };
  const host = { address: '2001:db8::1', port: 6084 };
  const other = { address: hitToAddress(simHit(2)), port: 0 };
  t.true(canPair(byRelay, other));
  t.false(canPair(host, other));
  t.false(canPair(byRelay, host));
  t.false(canPair(byRelay, { ...other, port: 6084 }));
  t.false(canPair(host, { ...other, port: 6084 }));
});

test('the end of a stream is reached by streams alone, and no candidate of the other end makes one', (t) => {
  const local = { address: STREAM_LOCAL_ADDRESS, port: 6084 };
  const stream = toStreamAddress({ address: '203.0.113.1', port: 443 });
  t.true(canPair(local, stream));
  t.false(canPair({ address: '10.0.0.2', port: 6084 }, stream));
  t.false(canPair({ address: '2001:db8::2', port: 6084 }, stream));
  t.false(canPair(local, { address: '203.0.113.1', port: 443 }));
  t.false(canPair(local, { address: hitToAddress(simHit(2)), port: 0 }));
  const world = joined(t, 8);
  const reached = destinationsOf(world);
  const host: Candidate = { type: 'host', address: stream, priority: 1, foundation: 's' };
  world.a.links.answer(simHit(9), { ...CREDENTIALS, candidates: [host] });
  world.network.loop.run(5_000);
  t.false(reached.has(stream.address));
});
