import test from 'ava';
import { AddressEntries, MAX_ENTRIES, type AddressEntry } from '../../../../src/agent/addresses/address-entries.ts';

const DAY_MS = 86_400_000;
const entry = (uid: string, name = uid): AddressEntry => ({ uid, name, addresses: [`sip:${uid}@x.example`], card: '' });
const names = (entries: AddressEntries): string[] => entries.all.map(({ name }) => name);

/** Both know what the other has. */
function meet(a: AddressEntries, b: AddressEntries, wallNow: number): void {
  const data = a.toData(wallNow);
  a.merge(b.toData(wallNow));
  b.merge(data);
}

test('two hosts that change the same contacts agree, whoever hears first: what was written last stays', (t) => {
  const [a, b] = [new AddressEntries(), new AddressEntries()];
  a.put(entry('bob'), 10);
  a.put(entry('eve'), 10);
  meet(a, b, 20);
  b.put(entry('bob', 'Bob M.'), 30);
  a.put(entry('bob', 'Bob'), 31);
  b.remove('eve', 40);
  a.put(entry('dan'), 50);
  meet(a, b, 60);
  t.deepEqual(a.toData(60), b.toData(60));
  t.deepEqual(names(a), ['Bob', 'dan']);
});

test('of two that were written in the same millisecond both hosts keep the same one', (t) => {
  const [a, b] = [new AddressEntries(), new AddressEntries()];
  a.put(entry('bob', 'X'), 10);
  b.put(entry('bob', 'Y'), 10);
  meet(a, b, 20);
  t.deepEqual(a.toData(20), b.toData(20));
});

test('a change counts though the clock of the host that wrote the one before is ahead', (t) => {
  const [a, b] = [new AddressEntries(), new AddressEntries()];
  a.put(entry('bob', 'ahead'), 1_000_000);
  b.merge(a.toData(0));
  b.put(entry('bob', 'later'), 10);
  a.merge(b.toData(10));
  t.deepEqual(names(a), ['later']);
});

test('a removal is remembered for half a year, and there are so many contacts at most', (t) => {
  const entries = new AddressEntries();
  for (let i = 0; i < MAX_ENTRIES; i++) t.true(entries.put(entry(`${i}`), 0));
  t.false(entries.put(entry('more'), 0));
  t.true(entries.put(entry('1', 'changed'), 1));
  t.true(entries.remove('0', 2));
  t.false(entries.remove('0', 3));
  t.is(entries.toData(100 * DAY_MS).entries.length, MAX_ENTRIES);
  t.is(entries.toData(200 * DAY_MS).entries.length, MAX_ENTRIES - 1);
});
