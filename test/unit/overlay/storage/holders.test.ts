import test from 'ava';
import { ForgottenHolders, Holders } from '../../../../src/overlay/storage/holders.ts';

test('a holder has the revision that it has told last', (t) => {
  const holders = new Holders(new ForgottenHolders());
  holders.set('a', 1);
  holders.set('b', 1);
  holders.set('a', 5);
  t.deepEqual([holders.revisionOf('a'), holders.revisionOf('b'), holders.revisionOf('c')], [5, 1, undefined]);
});

test('a holder that is forgotten has nothing of any resource until it says so again', (t) => {
  const forgotten = new ForgottenHolders();
  const [one, other] = [new Holders(forgotten), new Holders(forgotten)];
  for (const holders of [one, other]) {
    holders.set('a', 1);
    holders.set('b', 1);
  }
  forgotten.forget('a');
  forgotten.forget('c');
  t.deepEqual([one.revisionOf('a'), one.revisionOf('b')], [undefined, 1]);
  t.deepEqual([other.revisionOf('a'), other.revisionOf('b')], [undefined, 1]);
  one.set('a', 2);
  t.deepEqual([one.revisionOf('a'), other.revisionOf('a')], [2, undefined]);
});

test('holders of rings long past make room at the sixteenth, those that are forgotten before', (t) => {
  const forgotten = new ForgottenHolders();
  const holders = new Holders(forgotten);
  const ids = Array.from({ length: 1_000 }, (_, i) => `${i}`);
  for (const id of ids) {
    holders.set(id, 1);
    t.is(holders.revisionOf(id), 1);
  }
  t.true(ids.filter((id) => holders.revisionOf(id) !== undefined).length <= 16);
  const stays = new Holders(forgotten);
  stays.set('stays', 1);
  for (const id of ids.slice(0, 100)) {
    stays.set(id, 1);
    forgotten.forget(id);
  }
  t.is(stays.revisionOf('stays'), 1);
});

test('of too many that are forgotten the oldest takes with it what all others said before, and nothing said since', (t) => {
  const forgotten = new ForgottenHolders();
  const holders = new Holders(forgotten);
  holders.set('early', 1);
  forgotten.forget('first');
  holders.set('late', 1);
  for (let i = 0; i < 1_024; i++) forgotten.forget(`${i}`);
  t.is(forgotten.size, 1_024);
  t.is(holders.revisionOf('early'), undefined);
  t.is(holders.revisionOf('late'), 1);
});
