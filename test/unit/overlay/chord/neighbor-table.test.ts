import test from 'ava';
import { NeighborTable } from '../../../../src/overlay/chord/neighbor-table.ts';
import { Ring } from '../../../../src/overlay/chord/ring.ts';
import { RoutingTable } from '../../../../src/overlay/chord/routing-table.ts';

const id = (digit: string): string => digit.repeat(32);

function tableOf(self: string, peers: string): NeighborTable {
  const routing = new RoutingTable(new Ring(), id(self));
  for (const digit of peers) routing.add(id(digit));
  return new NeighborTable(routing, 3);
}

test('the nearest three on both sides are neighbours, nearest first', (t) => {
  const table = tableOf('5', '12346789');
  t.deepEqual(table.predecessors, ['4', '3', '2'].map(id));
  t.deepEqual(table.successors, ['6', '7', '8'].map(id));
  t.deepEqual(table.replicaSet, ['6', '7'].map(id));
});

test('in a ring of three every peer is on both sides', (t) => {
  const table = tableOf('5', '27');
  t.deepEqual(table.predecessors, ['2', '7'].map(id));
  t.deepEqual(table.successors, ['7', '2'].map(id));
  t.deepEqual([...table.all].sort(), ['2', '7'].map(id));
});

test('a nearer peer is wanted, a farther one and a known one are not', (t) => {
  const table = tableOf('5', '123789');
  t.true(table.wants(id('6')));
  t.true(table.wants(id('4')));
  t.false(table.wants(id('a')));
  t.false(table.wants(id('7')));
  t.false(table.wants(id('5')));
});

test('of many ids those are wanted that would be neighbours each by itself, in the order in which they came', (t) => {
  const table = tableOf('5', '123789');
  t.deepEqual(table.wanted(['a', '6', '7', '5', '4'].map(id)), ['6', '4'].map(id));
  t.deepEqual(table.wanted([]), []);
});

test('everybody is wanted while there are too few', (t) => {
  t.true(tableOf('5', '6').wants(id('e')));
});

test('copies are kept for the own range and those of two predecessors', (t) => {
  const table = tableOf('5', '12346789');
  t.true(table.isInReplicaRange(id('5')));
  t.true(table.isInReplicaRange(id('3')));
  t.false(table.isInReplicaRange(id('2')));
  t.false(table.isInReplicaRange(id('6')));
  t.true(tableOf('5', '12').isInReplicaRange(id('9')));
});
