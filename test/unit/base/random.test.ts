import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';

test('the same seed gives the same numbers, another seed others', (t) => {
  const take = (seed: number): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 20 }, () => random.uint32());
  };
  t.deepEqual(take(7), take(7));
  t.notDeepEqual(take(7), take(8));
});

test('seeded numbers spread over their whole range', (t) => {
  const random = seededRandom(1);
  const buckets = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) {
    const bucket = Math.floor(random.float() * 16);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  t.true(buckets.every((count) => count > 800 && count < 1200));
  t.is(random.bytes(5).length, 5);
});
