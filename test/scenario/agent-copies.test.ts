import test, { type ExecutionContext } from 'ava';
import type { EngineEvent } from '../../src/agent/engine.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import type { SimHost } from '../sim/network/host.ts';

const MINUTE_MS = 60_000;

interface Copied {
  readonly world: AgentWorld;
  readonly original: SimAgent;
  readonly copy: SimAgent;
}

/** A host in an overlay of `peers` others, and a copy of its disk on another host; the copy runs. */
function copied(t: ExecutionContext, seed: number, peers: number, place: (world: AgentWorld) => SimHost): Copied {
  const world = new AgentWorld(t, seed);
  t.true(world.allReady([world.founder]));
  const others = Array.from({ length: peers - 1 }, () => world.member(world.publicHost(), { role: 'peer' }));
  world.started(...others);
  const original = world.member(place(world), { user: 'alice@home.example' });
  world.started(original);
  t.true(world.allReady([...others, original]));
  const copy = world.copyOf(original, place(world));
  copy.start({ start: [world.founderLocator] });
  return { world, original, copy };
}

const doublesOf = ({ events }: SimAgent): EngineEvent[] => events.filter(({ type }) => type === 'double');

/** Datagrams that a host behind a NAT sends from now on, by its place there. */
function countSent(world: AgentWorld, address: string): { sent: number } {
  const count = { sent: 0 };
  world.network.internet.isCut = ({ source }) => {
    if (source.address === address) count.sent += 1;
    return false;
  };
  return count;
}

const HOME = (world: AgentWorld): SimHost => world.hostAtHome();
const PUBLIC = (world: AgentWorld): SimHost => world.publicHost();

for (const [index, [title, peers, place]] of (
  [
    ['a client and its copy, with one peer to link with', 1, HOME],
    ['a client and its copy, with three peers', 3, HOME],
    ['a peer and its copy, with one other peer', 1, PUBLIC],
    ['a peer and its copy, with three others', 3, PUBLIC],
  ] as const
).entries())
  test(`${title}: the one that was started later says so and stays out, the other one works`, (t) => {
    const { world, original, copy } = copied(t, 900 + index, peers, place);
    const startedAt = world.now;
    t.true(world.until(() => copy.engine.double?.isAway === true, 30_000));
    t.log(`settled after ${((world.now - startedAt) / 1_000).toFixed(1)} s`);
    t.not(original.engine.double?.isAway, true);
    const links = new Set<string>();
    for (let i = 0; i < 300; i++) {
      world.run(100);
      for (const { hit, state } of copy.engine.links.snapshot().links) links.add(`${state} ${hit}`);
    }
    t.deepEqual([...links], [], 'of the copy');
    t.true(original.ready);
    world.founder.send(original.address, 'who is there');
    t.true(world.until(() => original.received(world.founder).includes('who is there'), 20_000));
    t.deepEqual(copy.received(world.founder), []);
  });

test('a copy that stays out looks again twelve times an hour at most, and sends less than one datagram a second', (t) => {
  const { world, original, copy } = copied(t, 910, 2, HOME);
  t.true(world.until(() => copy.engine.double?.isAway === true, 30_000));
  world.run(10_000);
  const count = countSent(world, '198.51.100.2');
  const looks: number[] = [];
  for (let minute = 1; minute <= 60; minute++) {
    const before = count.sent;
    world.run(MINUTE_MS);
    if (count.sent > before) looks.push(minute);
  }
  t.log(`${count.sent} datagrams in an hour, in the minutes ${looks.join(', ')}`);
  t.true(looks.length > 0 && looks.length <= 12);
  t.true(count.sent < 3_000);
  t.true(original.ready);
  // One error for each time that it is told, not for each link.
  t.true(doublesOf(original).length <= 4);
});

test('when the other agent has ended, the copy is the host, and says no more that it is not', (t) => {
  const { world, original, copy } = copied(t, 911, 2, HOME);
  t.true(world.until(() => copy.engine.double?.isAway === true, 30_000));
  original.kill();
  world.run(3 * MINUTE_MS);
  t.false(copy.engine.double?.isAway);
  t.true(copy.isLinkedTo(world.founder));
  world.founder.send(copy.address, 'who is there');
  t.true(world.until(() => copy.received(world.founder).includes('who is there'), 20_000));
  world.run(30 * MINUTE_MS);
  t.is(copy.engine.double, undefined);
});

test('a host that is killed, restarted and moved is no copy of itself', (t) => {
  const world = new AgentWorld(t, 912);
  const alice = world.member(world.hostAtHome());
  const bob = world.member(world.publicHost(), { role: 'peer' });
  world.started(alice, bob);
  t.true(world.allReady([world.founder, alice, bob]));
  for (let i = 0; i < 4; i++) {
    if (i % 2 === 0) alice.kill();
    else alice.stop();
    world.run(5_000);
    alice.start();
    world.run(20_000);
    for (const address of [...alice.host.addresses]) alice.host.unplug(address);
    alice.host.plug(world.home(), '10.0.0.2');
    world.run(2 * MINUTE_MS);
    t.true(alice.ready);
    for (const agent of [world.founder, alice, bob]) t.deepEqual(doublesOf(agent), []);
  }
});

test('a copy that is met over a link is told apart from the own address, and shown with where it is', (t) => {
  const world = new AgentWorld(t, 913);
  t.true(world.allReady([world.founder]));
  const alice = world.member(world.publicHost(), { role: 'peer' });
  world.started(alice);
  t.true(world.allReady([alice]));
  const own = { address: alice.host.addresses[0] ?? '', port: 6084 };
  alice.act(({ links }, now) => links.connectDirect(own, now));
  world.run(40_000);
  t.deepEqual(doublesOf(alice), []);
  const copy = world.copyOf(alice, world.publicHost());
  world.network.internet.isCut = ({ source, destination }) =>
    [source, destination].some(({ address }) => address === world.founderLocator.address) &&
    [source, destination].some(({ address }) => address === copy.host.addresses[0]);
  copy.start();
  copy.act(({ links }, now) => links.connectDirect(own, now));
  world.run(5_000);
  t.deepEqual(copy.engine.double?.remote, own);
  t.is(alice.engine.double?.remote?.address, copy.host.addresses[0]);
});
