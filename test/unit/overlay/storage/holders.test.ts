import test from 'ava';
import { Holders } from '../../../../src/overlay/storage/holders.ts';

test('a holder has the revision that it has told last, and none when it is forgotten', (t) => {
  const holders = new Holders();
  holders.set('a', 1);
  holders.set('b', 1);
  holders.set('a', 5);
  t.deepEqual([holders.revisionOf('a'), holders.revisionOf('b'), holders.revisionOf('c')], [5, 1, undefined]);
  holders.delete('a');
  holders.delete('c');
  t.deepEqual([holders.revisionOf('a'), holders.revisionOf('b')], [undefined, 1]);
});

test('holders of rings long past make room at the sixteenth', (t) => {
  const holders = new Holders();
  const ids = Array.from({ length: 1_000 }, (_, i) => `${i}`);
  for (const id of ids) {
    holders.set(id, 1);
    t.is(holders.revisionOf(id), 1);
  }
  t.true(ids.filter((id) => holders.revisionOf(id) !== undefined).length <= 16);
});
