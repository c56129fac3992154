import { readFileSync } from 'node:fs';
import test from 'ava';
import { cpuMs, cpuTicksOf, interruptTicksOf } from '../../../scripts/testbed/processes.ts';

test('a process whose name has blanks and brackets has its CPU time read all the same', (t) => {
  const stat = '42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 1 0 12345 0 0';
  t.is(cpuTicksOf(stat), 42);
});

test('the time in interrupts is of all cores together', (t) => {
  t.is(interruptTicksOf('cpu  1 20 300 4000 50000 600000 7000000 80000000 0 0\ncpu0 9 9 9 9 9 9 9 9 0 0\n'), 7_600_000);
});

test('of a process that has threads, the CPU time of one is part of that of all', (t) => {
  const one = cpuMs(process.pid, readFileSync(`/proc/${process.pid}/comm`, 'utf8').trimEnd());
  t.true(one > 0 && one <= cpuMs(process.pid));
  t.is(cpuMs(process.pid, 'no such thread'), 0);
});
