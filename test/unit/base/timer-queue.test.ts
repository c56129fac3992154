import test from 'ava';
import { fc, testProp } from '@fast-check/ava';
import { TimerQueue } from '../../../src/base/timer-queue.ts';

testProp(
  'keys come out in order of their last deadline, whatever was set, moved and cleared',
  [fc.array(fc.record({ key: fc.nat(20), at: fc.option(fc.nat(1000), { nil: undefined }) }), { maxLength: 600 })],
  (t, steps) => {
    const queue = new TimerQueue<number>();
    const model = new Map<number, number>();
    for (const { key, at } of steps) {
      if (at === undefined) {
        queue.clear(key);
        model.delete(key);
      } else {
        queue.set(key, at);
        model.set(key, at);
      }
      t.is(queue.next(), model.size === 0 ? undefined : Math.min(...model.values()));
    }
    t.is(queue.size, model.size);
    const out: number[] = [];
    for (let key = queue.due(500); key !== undefined; key = queue.due(500)) {
      out.push(model.get(key) ?? NaN);
      model.delete(key);
    }
    t.deepEqual(
      out,
      out.toSorted((a, b) => a - b),
    );
    t.true([...model.values()].every((at) => at > 500));
  },
);

test('deadlines at the same time come out in the order they were set', (t) => {
  const queue = new TimerQueue<string>();
  for (const key of ['a', 'b', 'c']) queue.set(key, 5);
  t.deepEqual([queue.due(5), queue.due(5), queue.due(5), queue.due(5)], ['a', 'b', 'c', undefined]);
});

test('keys that are set again and again, to other times or to the same, take no more and more memory', (t) => {
  const queue = new TimerQueue<number>();
  for (const move of [0, 1]) {
    for (let i = 0; i < 1_000; i++) {
      queue.set(i % 10, 5 + i * move);
      t.true(queue.entries <= 64);
    }
  }
});
