import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { Roster, type RosterAnswer } from '../../../src/membership/roster.ts';
import { OverlayWorld, type SimNode } from '../../sim/overlay/overlay-world.ts';
import { settled } from '../../sim/overlay/records.ts';

const WALL_START = 1_700_000_000_000;

/** Driven by the node's timer in the agent; here by a tick of its own. */
function rosterOf(world: OverlayWorld, node: SimNode): Roster {
  const clock = { monotonic: () => world.now, wall: () => WALL_START + world.now };
  const roster = new Roster({ overlay: node.overlay, clock, logger: silentLogger });
  const tick = (): void => {
    if (!node.alive) return;
    if ((roster.nextTimeout() ?? Infinity) <= world.now) world.run(node, (now) => roster.handleTimeout(now));
    world.loop.after(500, tick);
  };
  tick();
  return roster;
}

const list = (world: OverlayWorld, node: SimNode, roster: Roster): RosterAnswer =>
  settled<RosterAnswer>(world, node, (now, done) => roster.list(now, done));

test('everyone is in the list with user, role and the time it was last seen; whoever crashed stays in it', (t) => {
  const world = new OverlayWorld({ seed: 21, signatures: 'fake' });
  const nodes: SimNode[] = [];
  const rosters: Roster[] = [];
  for (let i = 0; i < 12; i++) {
    const node = world.add(i < 8 ? 'peer' : 'client', `user${i}@overlay.example.net`);
    rosters.push(rosterOf(world, node));
    const [first] = nodes;
    if (first === undefined) world.create(node);
    else world.join(node, first);
    nodes.push(node);
    world.loop.run(1_000);
  }
  world.settle(30_000);
  world.loop.run(30_000);
  const [asker, gone] = [nodes[11], nodes[3]];
  if (asker === undefined || gone === undefined || rosters[11] === undefined) return t.fail();
  const expected = nodes.map(({ id, user, overlay }) => `${id} ${user ?? ''} ${overlay.role}`).sort();
  const shown = ({ entries }: RosterAnswer): string[] =>
    entries.map(({ hit, user, role }) => `${hit} ${user ?? ''} ${role}`).sort();
  const before = list(world, asker, rosters[11]);
  t.deepEqual(shown(before), expected);
  t.is(before.missing, 0);
  for (const { seenAt } of before.entries) t.true(seenAt > WALL_START && seenAt <= WALL_START + world.now);
  world.crash(gone);
  world.loop.run(60_000);
  t.deepEqual(shown(list(world, asker, rosters[11])), expected);
});

test('an entry is written again when something changed', (t) => {
  const world = new OverlayWorld({ seed: 22, signatures: 'fake' });
  const node = world.add();
  const roster = rosterOf(world, node);
  world.create(node);
  world.loop.run(5_000);
  const [first] = list(world, node, roster).entries;
  world.run(node, (now) => roster.changed(now));
  world.loop.run(5_000);
  const [second] = list(world, node, roster).entries;
  t.true((second?.seenAt ?? 0) > (first?.seenAt ?? 0));
});

test('two agents with one key: each is told of the other once that has written after it, of itself and of former lives never', (t) => {
  const world = new OverlayWorld({ seed: 23, signatures: 'fake' });
  const [first, node] = [world.add('peer', 'a@overlay.example.net'), world.add('peer', 'b@overlay.example.net')];
  world.create(first);
  world.join(node, first);
  world.loop.run(5_000);
  const runOf = (roster: Roster, since?: number): number | undefined =>
    settled<{ startedAt: number } | undefined>(world, node, (now, done) =>
      roster.latestRun(since, now, (run) => done(run ?? { startedAt: NaN })),
    )?.startedAt;
  const write = (roster: Roster): void => {
    world.run(node, (now) => roster.changed(now));
    world.loop.run(2_000);
  };
  const [former, now, other] = [
    rosterOf(world, node),
    ...[1, 2].map(() => (world.loop.run(1_000), rosterOf(world, node))),
  ];
  if (now === undefined || other === undefined) return t.fail();
  write(former);
  t.is(runOf(now), NaN);
  write(now);
  t.is(runOf(now), NaN);
  write(other);
  t.is(runOf(other), NaN);
  t.is(runOf(now), other.startedAt);
  write(now);
  t.is(runOf(other), now.startedAt);
  t.is(runOf(now), NaN);
  // What was written before it starts over counts no more.
  world.run(node, (at) => other.startOver(at));
  t.is(runOf(other), NaN);
  // An agent that could not write yet is told of what was written since it was started.
  const late = rosterOf(world, node);
  t.is(runOf(late, late.startedAt + 2_000), NaN);
  world.loop.run(5_000);
  write(now);
  t.is(runOf(late, late.startedAt + 2_000), now.startedAt);
});
