import test from 'ava';
import { compareSequences, nextSequence } from '../../../src/overlay/configuration-sequence.ts';

test('sequence numbers compare modulo 65535', (t) => {
  t.is(compareSequences(5, 5), 0);
  t.is(compareSequences(5, 4), 1);
  t.is(compareSequences(4, 5), -1);
  t.is(compareSequences(0, 65_534), 1);
  t.is(compareSequences(65_534, 0), -1);
  t.is(compareSequences(100, 60_000), 1);
});

test('0 follows 65534, and is newer: 65535 is reserved', (t) => {
  t.deepEqual([nextSequence(1), nextSequence(65_533), nextSequence(65_534)], [2, 65_534, 0]);
  for (const sequence of [0, 1, 32_767, 65_534]) t.is(compareSequences(nextSequence(sequence), sequence), 1);
});
