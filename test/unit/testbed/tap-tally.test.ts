import test from 'ava';
import { TapTally } from '../../../scripts/testbed/tap-tally.ts';

test('passed, failed and skipped tests are counted apart', (t) => {
  const tally = new TapTally();
  const lines = [
    'TAP version 13',
    'ok 1 - names › are found',
    'not ok 2 - names › are refused',
    'ok 3 - names › later # SKIP',
    '1..3',
    '# tests 2',
    '# pass 1',
    '# fail 1',
  ];
  for (const line of lines) tally.line(line);
  t.deepEqual([tally.passed, tally.failed, tally.skipped], [1, 1, 1]);
});

test('what explains a failure is shown, what surrounds a success is not', (t) => {
  const tally = new TapTally();
  t.is(tally.line('ok 1 - a › b'), undefined);
  t.is(tally.line('    stray'), undefined);
  t.is(tally.line('not ok 2 - a › c'), 'FAILED  a › c');
  t.is(tally.line('  message: wrong'), '  message: wrong');
  t.is(tally.line('ok 3 - a › d'), undefined);
  t.is(tally.line('  ---'), undefined);
});

test('the summary of the runner is not taken for a test', (t) => {
  const tally = new TapTally();
  t.is(tally.line('# fail 0'), undefined);
  t.is(tally.passed + tally.failed, 0);
});

test('what a test logs is shown when it failed, or when it says that something was skipped', (t) => {
  const tally = new TapTally();
  tally.line('ok 1 - a › b');
  t.is(tally.line('#   seed 17'), undefined);
  t.is(tally.line('#   skipped: no Go here'), '#   skipped: no Go here');
  tally.line('not ok 2 - a › c');
  t.is(tally.line('#   seed 18'), '#   seed 18');
});

test('a runner that bails out counts as a failure', (t) => {
  const tally = new TapTally();
  tally.line('Bail out! out of memory');
  t.is(tally.failed, 1);
});
