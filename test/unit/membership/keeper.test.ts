import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { GATHER_MS } from '../../../src/membership/constants.ts';
import { Keeper } from '../../../src/membership/keeper.ts';

test('a full disk stops nothing: the latest of each name is written when there is room', (t) => {
  const keeper = new Keeper({ logger: silentLogger });
  let full = true;
  const disk: string[] = [];
  const write = (what: string) => (): void => {
    if (full) throw new Error('ENOSPC');
    disk.push(what);
  };
  keeper.keep('certificate', write('first'), 0);
  keeper.keep('certificate', write('second'), 10);
  keeper.keep('records', write('records'), 20);
  t.deepEqual(keeper.unwritten, ['certificate', 'records']);
  const first = keeper.nextTimeout() ?? 0;
  keeper.handleTimeout(first);
  t.deepEqual(disk, []);
  full = false;
  keeper.handleTimeout(keeper.nextTimeout() ?? 0);
  t.deepEqual(disk, ['second', 'records']);
  t.deepEqual(keeper.unwritten, []);
  t.is(keeper.nextTimeout(), undefined);
});

test('what is gathered is written once in a while, not again while it is written, and again after a failure', (t) => {
  const keeper = new Keeper({ logger: silentLogger });
  const ends: ((error?: unknown) => void)[] = [];
  const write = (done: (error?: unknown) => void): void => void ends.push(done);
  for (let now = 0; now < 1_000; now++) keeper.gather('register', write, now);
  const first = keeper.nextTimeout() ?? 0;
  t.is(first, GATHER_MS);
  keeper.handleTimeout(first - 1);
  t.is(ends.length, 0);
  keeper.handleTimeout(first);
  t.is(ends.length, 1);
  const second = keeper.nextTimeout() ?? 0;
  keeper.handleTimeout(second);
  t.is(ends.length, 1, 'a slow disk is not asked twice');
  t.deepEqual(keeper.unwritten, []);
  ends[0]?.(new Error('ENOSPC'));
  t.deepEqual(keeper.unwritten, ['register']);
  const third = keeper.nextTimeout() ?? 0;
  keeper.handleTimeout(third);
  t.is(ends.length, 2);
  keeper.gather('register', write, third);
  ends[1]?.();
  t.deepEqual(keeper.unwritten, []);
  keeper.handleTimeout(keeper.nextTimeout() ?? 0);
  t.is(ends.length, 3, 'what came meanwhile');
  ends[2]?.();
  t.is(keeper.nextTimeout(), undefined);
});
