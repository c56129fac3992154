import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { exerciseSip, fuzzSip, mutate, sipSeeds } from '../../../scripts/testbed/sip-fuzz.ts';

test('thousands of mutated messages, of this seed: nothing is found', async (t) => {
  t.deepEqual(await fuzzSip({ inputs: 3_000, seed: 1 }), { target: 'sip', inputs: 3_000, finding: undefined });
});

test('every seed passes as it is, and is mutated in the same way by the same seed only', (t) => {
  const seeds = sipSeeds();
  t.is(seeds.length, 49 + 12 + 4);
  for (const seed of seeds) t.notThrows(() => exerciseSip(seed));
  const twenty = (seed: number): string[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 20 }, () => Buffer.from(mutate(seeds, random)).toString('hex'));
  };
  t.deepEqual(twenty(1), twenty(1));
  t.notDeepEqual(twenty(1), twenty(2));
});
