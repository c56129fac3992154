import test from 'ava';
import { compareSequences } from '../../../src/overlay/configuration-sequence.ts';

test('sequence numbers compare modulo 65535', (t) => {
  t.is(compareSequences(5, 5), 0);
  t.is(compareSequences(5, 4), 1);
  t.is(compareSequences(4, 5), -1);
  t.is(compareSequences(0, 65_534), 1);
  t.is(compareSequences(65_534, 0), -1);
  t.is(compareSequences(100, 60_000), 1);
});
