import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
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
