import test from 'ava';
import { RouterClock } from '../../../src/portmap/router-clock.ts';

test('a clock that runs on with ours, a little fast or slow, has lost nothing', (t) => {
  const clock = new RouterClock();
  t.false(clock.lostState(5_000, 0), 'the first time tells nothing');
  t.false(clock.lostState(8_600, 3_600_000));
  t.false(clock.lostState(8_600 + 3_800, 7_200_000));
  t.false(clock.lostState(8_600 + 3_800 + 3_400, 10_800_000));
});

test('a clock that starts anew, or that jumps, tells of a restart', (t) => {
  const clock = new RouterClock();
  clock.lostState(5_000, 0);
  t.true(clock.lostState(3, 60_000));
  t.false(clock.lostState(13, 70_000), 'from then on it is the new clock');
  t.true(clock.lostState(900, 80_000));
  t.true(clock.lostState(901, 880_000));
});

test('of another router the first time tells nothing either', (t) => {
  const clock = new RouterClock();
  clock.lostState(5_000, 0);
  clock.forget();
  t.false(clock.lostState(3, 60_000));
});
