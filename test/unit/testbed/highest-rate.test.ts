import test from 'ava';
import { fc, testProp } from '@fast-check/ava';
import { highestRate } from '../../../scripts/testbed/highest-rate.ts';
import type { Trial } from '../../../scripts/testbed/highest-rate.ts';

const search = { start: 0.25, lowest: 0.01, highest: 50, precision: 1.05, tries: 2 };
const sound = (rate: number): Trial => ({ received: rate, kept: true, clean: true });
const lossy = (rate: number): Trial => ({ received: 0.9 * rate, kept: false, clean: false });

testProp(
  'a limit anywhere is found within the precision, in few trials',
  [fc.double({ min: 0.011, max: 49, noNaN: true }), fc.double({ min: 0.01, max: 50, noNaN: true })],
  async (t, limit, start) => {
    let trials = 0;
    const found = await highestRate({ ...search, start }, (rate) => {
      trials += 1;
      return Promise.resolve(rate <= limit ? sound(rate) : lossy(rate));
    });
    t.true(found !== undefined && found <= limit && found >= limit / search.precision, `${String(found)}, ${limit}`);
    t.true(trials <= 2 * 20, `${trials} trials`);
  },
);

test('one hiccup at a rate does not count as the limit', async (t) => {
  const hiccups = new Set<number>();
  const found = await highestRate(search, (rate) => {
    const isFirst = !hiccups.has(rate);
    hiccups.add(rate);
    return Promise.resolve(rate <= 1 && !isFirst ? sound(rate) : lossy(rate));
  });
  t.true(found !== undefined && found > 0.95 && found <= 1);
});

test('a sender that cannot make the rate ends the search, and what arrived of his clean trial counts', async (t) => {
  const found = await highestRate(search, (rate) =>
    Promise.resolve(rate <= 3 ? sound(rate) : { received: 3, kept: false, clean: true }),
  );
  t.is(found, 3);
});

test('a way that loses at every rate has no figure', async (t) => {
  const offered: number[] = [];
  const found = await highestRate(search, (rate) => {
    offered.push(rate);
    return Promise.resolve(lossy(rate));
  });
  t.is(found, undefined);
  t.is(Math.min(...offered), search.lowest);
});

test('a way without limit is offered no more than the highest rate', async (t) => {
  t.is(await highestRate(search, (rate) => Promise.resolve(sound(rate))), search.highest);
});
