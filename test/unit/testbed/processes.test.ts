import test from 'ava';
import { cpuTicksOf } from '../../../scripts/testbed/processes.ts';

test('a process whose name has blanks and brackets has its CPU time read all the same', (t) => {
  const stat = '42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 1 0 12345 0 0';
  t.is(cpuTicksOf(stat), 42);
});
