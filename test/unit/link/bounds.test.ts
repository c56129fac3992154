import test from 'ava';
import { GenerationMap } from '../../../src/link/generation-map.ts';
import { RateLimit } from '../../../src/base/rate-limit.ts';

test('a burst passes up to the limit, then one for each share of a second', (t) => {
  const limit = new RateLimit(10);
  let passed = 0;
  for (let i = 0; i < 100; i++) if (limit.take(1_000)) passed += 1;
  t.is(passed, 10);
  t.false(limit.take(1_050));
  t.true(limit.take(1_100));
  t.false(limit.take(1_101));
});

test('an entry lives one generation at least and two at most', (t) => {
  const map = new GenerationMap<string, number>(1_000);
  map.set('a', 1, 1_000);
  map.set('b', 2, 2_500);
  t.is(map.get('a'), 1);
  map.set('c', 3, 3_600);
  t.is(map.get('a'), undefined);
  t.is(map.get('b'), 2);
});

test('an entry that was deleted is gone, whatever its generation', (t) => {
  const map = new GenerationMap<string, number>(1_000);
  map.set('a', 1, 1_000);
  map.set('b', 2, 2_500);
  map.delete('a');
  map.delete('b');
  t.deepEqual([map.get('a'), map.get('b')], [undefined, undefined]);
});
