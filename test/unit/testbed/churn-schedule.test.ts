import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { ChurnSchedule } from '../../../scripts/testbed/churn-schedule.ts';

const REPAIR_MS = 20_000;

/** In the order of the ring. */
const [a = '', b = '', c = '', d = '', e = ''] = ['a', 'b', 'c', 'd', 'e'].map((digit) => digit.repeat(32));

test('everybody may be killed at first, then nobody who holds the last copy', (t) => {
  const schedule = new ChurnSchedule([e, a, c, b, d], { repairMs: REPAIR_MS });
  t.deepEqual(schedule.candidates(0), [a, b, c, d, e]);
  schedule.died(b, 0);
  t.deepEqual(schedule.candidates(0), [a, c, d, e]);
  schedule.died(c, 1);
  // Values of a are at a, b and c; those of b are at b, c and d; a ring of five closes behind e.
  t.deepEqual(schedule.candidates(1), [e]);
});

test('who came back counts for nothing until it had time to be given its copies', (t) => {
  const schedule = new ChurnSchedule([a, b, c, d], { repairMs: REPAIR_MS });
  schedule.died(a, 0);
  schedule.cameBack(a, 5_000);
  schedule.died(c, 6_000);
  t.deepEqual(schedule.candidates(6_000), [a]);
  t.deepEqual(schedule.candidates(25_000), [a, b, d]);
});

test('addresses are refused: by their text they are in another order than in the ring', (t) => {
  t.throws(() => new ChurnSchedule(['2001:22:b05::1', '2001:22:600c::1'], { repairMs: REPAIR_MS }), {
    instanceOf: RangeError,
  });
});

testProp(
  'of three neighbours one is always there and undisturbed, whoever of the candidates is killed',
  [
    fc.integer({ min: 4, max: 30 }),
    fc.array(fc.record({ after: fc.nat(8_000), pick: fc.nat(), back: fc.boolean() }), { maxLength: 60 }),
  ],
  (t, count, steps) => {
    const keys = Array.from({ length: count }, (_, i) => i.toString(16).padStart(32, '0'));
    const schedule = new ChurnSchedule(keys, { repairMs: REPAIR_MS });
    const state = new Map(keys.map((key) => [key, { alive: true, at: -Infinity }]));
    t.deepEqual(schedule.candidates(0), keys);
    let now = 0;
    for (const { after, pick, back } of steps) {
      now += after;
      const dead = keys.filter((key) => state.get(key)?.alive === false);
      const candidates = back ? dead : schedule.candidates(now);
      const key = candidates[pick % Math.max(1, candidates.length)];
      if (key === undefined) continue;
      state.set(key, { alive: back, at: now });
      if (back) schedule.cameBack(key, now);
      else schedule.died(key, now);
      if (back) continue;
      const ring = keys
        .map((other) => state.get(other))
        .filter((s) => s !== undefined && (s.alive || s.at + REPAIR_MS > now));
      for (let i = 0; i < ring.length; i++) {
        const run = [ring[i], ring[(i + 1) % ring.length], ring[(i + 2) % ring.length]];
        // Runs without the one that was killed may have lost more by those that came back empty.
        if (!run.some((s) => s === state.get(key))) continue;
        t.true(run.some((s) => s?.alive === true && s.at + REPAIR_MS <= now));
      }
    }
  },
);
