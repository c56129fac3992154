import test from 'ava';
import { seededRandom } from '../../../../src/base/random.ts';
import { LostPeers } from '../../../../src/overlay/chord/lost-peers.ts';

const DAY_MS = 86_400_000;
const PEER = '20010020000000000000000000000001';

/** When it is searched for, ms. */
function searches(untilMs: number): number[] {
  const times: number[] = [];
  const lost = new LostPeers({ random: seededRandom(1), search: (_, now) => times.push(now) });
  lost.add(PEER, 0);
  for (let at = lost.nextTimeout(); at !== undefined && at <= untilMs; at = lost.nextTimeout()) lost.handleTimeout(at);
  return times;
}

test('a peer that is lost is searched for within five minutes at any time of four weeks, and not in the seventh', (t) => {
  const times = searches(49 * DAY_MS);
  const longest = times.reduce(({ before, pause }, at) => ({ before: at, pause: Math.max(pause, at - before) }), {
    before: 0,
    pause: 0,
  });
  t.true(longest.pause <= 300_000, `${longest.pause} ms without a search`);
  t.true(longest.before > 28 * DAY_MS);
  t.true(longest.before < 42 * DAY_MS);
});
