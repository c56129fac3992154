import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { MAX_TIE_BREAKER } from '../../../src/ice/constants.ts';
import { TieBreaker } from '../../../src/ice/tie-breaker.ts';

const sent = fc.array(fc.bigInt({ min: 1n, max: MAX_TIE_BREAKER - 1n }), { maxLength: 8 });

testProp(
  'after a change of role the tie-breaker decides against everything that the peer has sent',
  [fc.nat(), sent],
  (t, seed, values) => {
    const tieBreaker = new TieBreaker(seededRandom(seed));
    for (const value of values) tieBreaker.seen(value);
    tieBreaker.settle('controlling');
    for (const value of values) t.true(tieBreaker.value > value);
    t.true(tieBreaker.value <= MAX_TIE_BREAKER);
    tieBreaker.settle('controlled');
    for (const value of values) t.true(tieBreaker.value < value);
    t.true(tieBreaker.value >= 0n);
  },
);

test('two sides that take control from one another win each time, ten thousand times', (t) => {
  const random = seededRandom(1);
  let [one, other] = [new TieBreaker(random), new TieBreaker(random)];
  for (let turn = 0; turn < 10_000; turn++) {
    one.seen(other.value);
    one.settle('controlling');
    if (one.value <= other.value) t.fail(`turn ${turn}`);
    other.seen(one.value);
    other.settle('controlled');
    [one, other] = [other, one];
  }
  t.true(one.value >= 0n && one.value <= MAX_TIE_BREAKER);
});

test('a peer at the ends of the range leaves a value in the range', (t) => {
  const tieBreaker = new TieBreaker(seededRandom(1));
  tieBreaker.seen(0n);
  tieBreaker.seen(MAX_TIE_BREAKER);
  tieBreaker.settle('controlling');
  t.is(tieBreaker.value, MAX_TIE_BREAKER);
  tieBreaker.settle('controlled');
  t.is(tieBreaker.value, 0n);
});
