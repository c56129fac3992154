import test from 'ava';
import { z } from 'zod';
import { KeptEntries, entriesSchema } from '../../../../src/agent/user-documents/kept-entries.ts';

const MAX_KEPT = 6;
const schema = entriesSchema(z.strictObject({ name: z.string() }), MAX_KEPT);
const few = (): KeptEntries<{ name: string }> =>
  new KeptEntries({
    keyOf: ({ name }) => name,
    compare: (a, b) => (a.name < b.name ? -1 : 1),
    ...{ maxEntries: 3, maxKept: MAX_KEPT },
  });

test('who puts and removes under ever new names has what others can read, and the earliest removals are forgotten', (t) => {
  const entries = few();
  entries.put({ name: 'stays' }, 1);
  for (let i = 0; i < 20; i++) {
    t.true(entries.put({ name: `n${i}` }, 10 + i));
    t.true(entries.remove(`n${i}`, 10 + i));
  }
  const data = entries.toData(40);
  t.true(schema.safeParse(data).success);
  t.deepEqual(
    data.entries.map(({ uid }) => uid),
    ['n15', 'n16', 'n17', 'n18', 'n19', 'stays'],
  );
});

test('what would be put is in the data that is asked for, and is not put', (t) => {
  const entries = few();
  entries.put({ name: 'a' }, 1);
  t.deepEqual(
    entries.toData(2, { name: 'b' }).entries.map(({ uid }) => uid),
    ['a', 'b'],
  );
  t.false(entries.has('b'));
  t.deepEqual(entries.written, [{ entry: { name: 'a' }, modifiedAt: 1 }]);
});
