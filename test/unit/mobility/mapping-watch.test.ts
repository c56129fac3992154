import test from 'ava';
import { MAPPING_DOUBT_MS, REFLEXIVE_WORD_MS } from '../../../src/mobility/constants.ts';
import { MappingWatch } from '../../../src/mobility/mapping-watch.ts';

const BASE = '10.0.0.2:6084';

function asking(...servers: string[]): MappingWatch {
  const watch = new MappingWatch();
  for (const server of servers) watch.asked(BASE, server);
  return watch;
}

test('the only server that is asked is believed at once', (t) => {
  const watch = asking('a');
  watch.told(BASE, 'a', 'changed', 100);
  t.deepEqual(watch.poll(), { base: BASE, at: 100 });
  t.is(watch.poll(), undefined);
  t.is(watch.nextTimeout(), undefined);
});

test('one that may still answer is waited for, for a second', (t) => {
  const open = asking('a', 'b');
  open.told(BASE, 'a', 'changed', 100);
  t.is(open.nextTimeout(), 100 + MAPPING_DOUBT_MS);
  open.handleTimeout(100 + MAPPING_DOUBT_MS - 1);
  t.is(open.poll(), undefined);
  open.handleTimeout(100 + MAPPING_DOUBT_MS);
  t.deepEqual(open.poll(), { base: BASE, at: 100 });
});

test('who tells the same as before contradicts, whether it answers before or after the one that does not', (t) => {
  for (const order of ['before', 'after'] as const) {
    const watch = asking('a', 'b');
    if (order === 'before') watch.told(BASE, 'b', 'same', 90);
    watch.told(BASE, 'a', 'changed', 100);
    if (order === 'after') watch.told(BASE, 'b', 'same', 110);
    watch.handleTimeout(100 + MAPPING_DOUBT_MS);
    t.is(watch.poll(), undefined, order);
    t.is(watch.nextTimeout(), undefined, order);
  }
});

test('who has told a change tells the same then: that is no contradiction to the next one', (t) => {
  const watch = asking('a', 'b');
  watch.told(BASE, 'a', 'changed', 100);
  watch.told(BASE, 'a', 'same', 150);
  watch.told(BASE, 'b', 'changed', 200);
  t.deepEqual(watch.poll(), { base: BASE, at: 200 });
});

test('a change of long ago does not count any more, and an address that is gone has none', (t) => {
  const watch = asking('a', 'b');
  watch.told(BASE, 'b', 'same', 90);
  watch.told(BASE, 'a', 'changed', 100);
  watch.told(BASE, 'a', 'same', 100 + REFLEXIVE_WORD_MS);
  watch.told(BASE, 'b', 'changed', 200 + REFLEXIVE_WORD_MS);
  t.is(watch.poll(), undefined);
  watch.asked(BASE, 'a');
  watch.forget(BASE);
  t.is(watch.nextTimeout(), undefined);
});
