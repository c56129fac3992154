import test from 'ava';
import { seededRandom, systemRandom } from '../../../src/base/random.ts';

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

test('of the system’s randomness no piece comes twice, whatever becomes of those that were handed out', (t) => {
  const seen = new Set<string>();
  for (let i = 0; i < 3_000; i++) {
    const length = 8 + (i % 17);
    const bytes = systemRandom.bytes(length);
    t.is(bytes.length, length);
    t.true(bytes.some((byte) => byte !== 0));
    seen.add(Buffer.from(bytes.subarray(0, 8)).toString('hex'));
    bytes.fill(0);
  }
  t.is(seen.size, 3_000);
  t.is(systemRandom.bytes(0).length, 0);
});
