import test from 'ava';
import type { NodeId } from '../../../../src/base/node-id.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { LostPeers } from '../../../../src/overlay/chord/lost-peers.ts';

const DAY_MS = 86_400_000;
const idOf = (number: number): NodeId => number.toString(16).padStart(32, '0');

/** When peers that were lost at 0 are searched for, ms. */
function searches(count: number, seed: number, untilMs: number): number[] {
  const times: number[] = [];
  const lost = new LostPeers({ random: seededRandom(seed), search: (_, now) => times.push(now) });
  for (let i = 0; i < count; i++) lost.add(idOf(i), 0);
  for (let at = lost.nextTimeout(); at !== undefined && at <= untilMs; at = lost.nextTimeout()) lost.handleTimeout(at);
  return times;
}

const pauses = (times: readonly number[]): number[] => times.slice(1).map((time, i) => time - (times[i] ?? 0));

test('a peer that is lost is searched for within five minutes at any time of four weeks, and not in the seventh', (t) => {
  const times = searches(1, 1, 49 * DAY_MS);
  const longest = Math.max(...pauses([0, ...times]));
  t.true(longest <= 300_000, `${longest} ms without a search`);
  t.true((times.at(-1) ?? 0) > 28 * DAY_MS);
  t.true((times.at(-1) ?? Infinity) < 42 * DAY_MS);
});

for (const count of [1, 3, 32])
  test(`of peers that are lost, ${count} of them, one is searched for within four seconds all through the first two minutes`, (t) => {
    for (let seed = 1; seed <= 20; seed++) {
      const times = searches(count, seed, 120_000);
      t.true((times[0] ?? Infinity) <= 12_500);
      const longest = Math.max(...pauses(times));
      t.true(longest <= 4_000, `${longest} ms`);
    }
  });

test('the searches of a node are at least two seconds apart, and at most six hundred in an hour', (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const times = searches(32, seed, 3_600_000);
    t.true(Math.min(...pauses(times)) >= 2_000);
    t.true(times.length <= 600, `${times.length} in an hour`);
  }
});
