import test from 'ava';
import type { ExecutionContext } from 'ava';
import { HOME_NAT } from '../sim/network/nat.ts';
import { TwoClients, type TwoClientsOptions } from '../sim/agent/two-clients.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

const FLOW_MS = 10_000;
const MOVE_AT_MS = 3_000;

interface Flow {
  readonly options?: TwoClientsOptions;
  readonly from?: 'both' | 'a' | 'b';
  /** Before the call. */
  readonly prepare?: (world: TwoClients) => void;
  readonly move: (world: TwoClients) => void;
}

/** A call with a packet every 20 ms over IPv4 in both directions, and a move in it. @returns the gaps, ms. */
function flowAcross(t: ExecutionContext, seed: number, { options, from = 'both', prepare, move }: Flow): number[] {
  const world = new TwoClients(t, seed, options);
  prepare?.(world);
  const { a, b } = world;
  t.true(world.call());
  const links = [a.linkId(b), b.linkId(a)];
  const start = world.now;
  const flows: readonly (readonly [SimAgent, SimAgent])[] = [
    ...(from === 'b' ? [] : [[a, b] as const]),
    ...(from === 'a' ? [] : [[b, a] as const]),
  ];
  for (const [sender, receiver] of flows) sender.stream(receiver.ipv4 ?? '', FLOW_MS);
  world.run(MOVE_AT_MS);
  move(world);
  world.run(FLOW_MS - MOVE_AT_MS);
  const gaps = flows.map(([sender, receiver]) => receiver.gap(sender, start, world.now));
  t.log(`gaps ${gaps.map((gap) => gap.toFixed(0)).join(' and ')} ms`);
  t.deepEqual([a.linkId(b), b.linkId(a)], links);
  t.deepEqual([a.handshakes(b), b.handshakes(a)], [1, 1]);
  world.run(20_000);
  t.true(a.isLinkedTo(world.founder) && b.isLinkedTo(world.founder));
  return gaps;
}

const moveA = (world: TwoClients): void => world.a.host.move(world.home(), '10.0.0.9');
const moveB = (world: TwoClients): void => world.b.host.move(world.home(), '10.0.0.9');

for (const seed of [400, 401, 402])
  test(`a client in a call moves behind another NAT: a gap of at most a second, no new handshake (seed ${seed})`, (t) => {
    for (const gap of flowAcross(t, seed, { move: moveA })) t.true(gap <= 1_000, `${gap} ms`);
  });

test('the called client moves: a gap of at most a second', (t) => {
  for (const gap of flowAcross(t, 403, { move: moveB })) t.true(gap <= 1_000, `${gap} ms`);
});

test('only the other end sends, the mover is silent: a gap of at most a second', (t) => {
  for (const gap of flowAcross(t, 404, { move: moveA, from: 'b' })) t.true(gap <= 1_000, `${gap} ms`);
});

test('only the mover sends: a gap of at most a second', (t) => {
  for (const gap of flowAcross(t, 405, { move: moveA, from: 'a' })) t.true(gap <= 1_000, `${gap} ms`);
});

for (const seed of [406, 407, 408])
  test(`both clients move at once: a gap of at most two seconds (seed ${seed})`, (t) => {
    const move = (world: TwoClients): void => {
      moveA(world);
      moveB(world);
    };
    for (const gap of flowAcross(t, seed, { move })) t.true(gap <= 2_000, `${gap} ms`);
  });

/** Home, Internet and home, there and back. */
const ROUND_TRIP_MS = 2 * (10 + 2);

for (const seed of [420, 421, 422])
  test(`the used path of a client dies silently and it has a second uplink: a gap of at most 120 ms and a round trip (seed ${seed})`, (t) => {
    const second = '198.51.100.200';
    const prepare = ({ network, a }: TwoClients): void => {
      a.host.plug(network.home('second', second).lan, '10.0.3.9');
      network.loop.run(3_000);
    };
    const move = ({ network, a, b }: TwoClients): void => {
      const local = a.engine.links.snapshot().links.find(({ hit }) => hit === b.hit)?.path?.local?.address;
      const dead = local === '10.0.3.9' ? second : '198.51.100.1';
      network.internet.isCut = ({ source, destination }) => source.address === dead || destination.address === dead;
    };
    for (const gap of flowAcross(t, seed, { prepare, move })) t.true(gap <= 120 + ROUND_TRIP_MS, `${gap} ms`);
  });

test('the only peer changes its address, behind open NATs: the call does not notice, and clients have it again', (t) => {
  // With stricter filtering nobody could tell the clients: the one who knows both is the one that moved.
  const nat = { ...HOME_NAT, filtering: 'endpoint-independent' } as const;
  const move = (world: TwoClients): void => world.founder.host.move(world.network.internet, '203.0.113.200');
  for (const gap of flowAcross(t, 409, { move, options: { natA: nat, natB: nat } })) t.true(gap <= 100, `${gap} ms`);
});

for (const [loss, seed, limit] of [
  [0.02, 410, 1_500],
  [0.02, 411, 1_500],
  [0.02, 412, 1_500],
  [0.1, 413, 5_000],
  [0.1, 414, 5_000],
  [0.1, 415, 5_000],
  // The answers that tell of the new NAT are lost: peers are asked to a place that does not exist.
  [0.1, 3_018, 5_000],
] as const)
  test(`a client moves while the network loses ${loss * 100} %: the association is kept (seed ${seed})`, (t) => {
    const options = { internet: { latencyMs: 15, jitterMs: 5, loss } };
    for (const gap of flowAcross(t, seed, { options, move: moveA })) t.true(gap <= limit, `${gap} ms`);
  });

test('a client moves to a public address and back behind its NAT', (t) => {
  const world = new TwoClients(t, 416);
  const { a, b } = world;
  t.true(world.call());
  a.host.move(world.network.internet, '203.0.113.77');
  world.run(5_000);
  a.send(b.ipv4 ?? '', 'from outside');
  world.run(1_000);
  a.host.move(world.home(), '10.0.0.2');
  world.run(5_000);
  a.send(b.ipv4 ?? '', 'from inside');
  world.run(1_000);
  t.deepEqual(b.received(a), ['call', 'from outside', 'from inside']);
  t.is(a.handshakes(b), 1);
});
