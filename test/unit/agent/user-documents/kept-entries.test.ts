import test from 'ava';
import fc from 'fast-check';
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

test('a file of another host is taken though this one remembers as many removals as it may', (t) => {
  const [ours, theirs] = [few(), few()];
  for (let i = 0; i < MAX_KEPT; i++) {
    ours.put({ name: `n${i}` }, 10 + i);
    ours.remove(`n${i}`, 10 + i);
  }
  theirs.put({ name: 'theirs' }, 1);
  ours.merge(theirs.toData(50));
  t.deepEqual(ours.all, [{ name: 'theirs' }]);
  t.true(schema.safeParse(ours.toData(50)).success);
});

test('hosts that have heard the same say the same, in whatever order they have heard it and how often', (t) => {
  const change = fc.record({
    host: fc.nat(2),
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
    puts: fc.boolean(),
    at: fc.nat(20),
  });
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 40 }),
      fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
      (changes, order) => {
        const hosts = [few(), few(), few()];
        for (const { host, name, puts, at } of changes) {
          const entries = hosts[host];
          if (puts) entries?.put({ name }, at);
          else entries?.remove(name, at);
        }
        const said = hosts.map((entries) => entries.toData(30));
        const hear = (indices: readonly number[]): unknown => {
          const entries = few();
          for (const index of indices) entries.merge(said[index] ?? { version: 1, entries: [] });
          return entries.toData(30);
        };
        t.deepEqual(hear(order), hear([0, 1, 2, ...order]));
        t.true(schema.safeParse(hear(order)).success);
      },
    ),
  );
});
