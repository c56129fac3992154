import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import { inSlices } from '../../../src/agent/in-slices.ts';

test('a thousand things are done in order, at most 32 of them in one turn of the event loop', async (t) => {
  const state = { done: 0, all: false };
  const numbers = Array.from({ length: 1_000 }, (_, i) => i);
  const doubled = inSlices(numbers, (i) => {
    state.done += 1;
    return 2 * i;
  }).finally(() => (state.all = true));
  for (let before = 0; !state.all; before = state.done) {
    t.true(state.done - before <= 32);
    await nextTurn();
  }
  t.deepEqual(
    await doubled,
    numbers.map((i) => 2 * i),
  );
});
