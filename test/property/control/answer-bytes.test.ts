import { setImmediate as nextTurn } from 'node:timers/promises';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { answerBytes } from '../../../src/control/answer-bytes.ts';

const small = fc.jsonValue({ maxDepth: 3 });
const long = fc
  .tuple(small, fc.integer({ min: 0, max: 130 }))
  .map(([item, count]) => Array.from({ length: count }, () => item));
const answer = fc.record({
  id: fc.nat(),
  result: fc.dictionary(fc.string(), fc.oneof(small, long, fc.record({ links: long }), fc.constant(undefined))),
});

testProp(
  'an answer in pieces is the line that JSON makes of it at once',
  [fc.oneof(answer, small)],
  async (t, value) => {
    t.is(Buffer.concat(await answerBytes(value)).toString(), `${JSON.stringify(value)}\n`);
  },
);

test('while a status with twenty thousand links is made text, others have their turn', async (t) => {
  const links = Array.from({ length: 20_000 }, (_, i) => ({ hit: `2001:20::${i}`, name: 'x'.repeat(1_000) }));
  const done = new AbortController();
  const answered = answerBytes({ id: 1, result: { links } }).finally(() => done.abort());
  let turns = 0;
  while (!done.signal.aborted) {
    await nextTurn();
    turns += 1;
  }
  t.true(turns > 3, `${turns} turns`);
  t.true((await answered).length > 100);
});
