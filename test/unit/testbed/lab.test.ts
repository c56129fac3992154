import test from 'ava';
import { isLeftover, startTime } from '../../../scripts/testbed/lab.ts';

test('a name of the running process is no leftover, one of a process that is gone is', (t) => {
  t.false(isLeftover(ownName()));
  t.true(isLeftover('idl-4194999-1-1-nat-a'));
});

test('a name of an earlier process with the same number is a leftover', (t) => {
  t.true(isLeftover(`idl-${process.pid}-1-1`));
});

test("other people's namespaces and folders are let alone", (t) => {
  for (const name of ['idl', 'idle-1-2-3', 'idl-x-1-1', 'vpn', 'idl-1-2']) t.false(isLeftover(name), name);
});

function ownName(): string {
  return `idl-${process.pid}-${startTime(process.pid) ?? 0}-1-a`;
}
