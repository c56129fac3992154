import { testProp, fc } from '@fast-check/ava';
import test from 'ava';
import { UPDATE_RATE } from '../../../src/overlay/constants.ts';
import { UpdateIntake } from '../../../src/overlay/update-intake.ts';

const { burst, intervalMs } = UPDATE_RATE;

/** What was looked at, of the numbers that were sent. */
function intake(): { updates: UpdateIntake<number>; looked: { node: string; value: number; at: number }[] } {
  const looked: { node: string; value: number; at: number }[] = [];
  const updates = new UpdateIntake<number>({ look: (node, value, at) => looked.push({ node, value, at }) });
  return { updates, looked };
}

test('Updates of a node within its burst are looked at when they come', (t) => {
  const { updates, looked } = intake();
  for (let i = 0; i < burst; i++) updates.arrived('a', i, 0);
  t.deepEqual(
    looked.map(({ value }) => value),
    Array.from({ length: burst }, (_, i) => i),
  );
  t.is(updates.nextTimeout(), undefined);
});

test('of those beyond the burst the latest is looked at when there is a token again, and no other', (t) => {
  const { updates, looked } = intake();
  for (let i = 0; i < burst + 50; i++) updates.arrived('a', i, 0);
  t.is(looked.length, burst);
  t.is(updates.waiting, 1);
  t.is(updates.nextTimeout(), intervalMs);
  updates.handleTimeout(intervalMs - 1);
  t.is(looked.length, burst);
  updates.handleTimeout(intervalMs);
  t.deepEqual(looked.at(-1), { node: 'a', value: burst + 49, at: intervalMs });
  t.is(looked.length, burst + 1);
  t.is(updates.waiting, 0);
  t.is(updates.nextTimeout(), undefined);
});

test('one that comes when there is a token again takes the place of the one that waits', (t) => {
  const { updates, looked } = intake();
  for (let i = 0; i <= burst; i++) updates.arrived('a', i, 0);
  updates.arrived('a', 99, intervalMs);
  updates.handleTimeout(2 * intervalMs);
  t.deepEqual(
    looked.slice(burst).map(({ value }) => value),
    [99],
  );
});

test('the flood of one node does not delay the Update of another', (t) => {
  const { updates, looked } = intake();
  for (let i = 0; i < 1_000; i++) updates.arrived('a', i, 0);
  updates.arrived('b', 7, 0);
  t.deepEqual(looked.at(-1), { node: 'b', value: 7, at: 0 });
});

test('what waits is forgotten with the link that it came over', (t) => {
  const { updates, looked } = intake();
  for (let i = 0; i <= burst; i++) updates.arrived('a', i, 0);
  updates.forget('a');
  updates.handleTimeout(10 * intervalMs);
  t.is(looked.length, burst);
  t.is(updates.waiting, 0);
});

testProp(
  'whatever a node sends and when: looks are bounded, in order, and the last one is heard within the interval',
  [fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 300 })],
  (t, gaps) => {
    const { updates, looked } = intake();
    let now = 0;
    /** As a driver does it: what is due before the next input is called first. */
    const runUntil = (end: number): void => {
      for (let at = updates.nextTimeout(); at !== undefined && at <= end; at = updates.nextTimeout())
        updates.handleTimeout(at);
    };
    gaps.forEach((gap, i) => {
      now += gap;
      runUntil(now);
      updates.arrived('a', i, now);
    });
    runUntil(now + intervalMs);
    t.true(looked.length <= burst + (now + intervalMs) / intervalMs);
    t.is(looked.at(-1)?.value, gaps.length - 1);
    t.true(looked.every(({ value }, i) => i === 0 || value > (looked[i - 1]?.value ?? -1)));
    t.is(updates.waiting, 0);
  },
);
