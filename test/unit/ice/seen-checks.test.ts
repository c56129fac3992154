import test from 'ava';
import { MAX_CHECKS_SEEN } from '../../../src/ice/constants.ts';
import { SeenChecks } from '../../../src/ice/seen-checks.ts';

const source = (number: number): { address: string; port: number } => ({ address: `192.0.2.${number}`, port: 6084 });
const transaction = (number: number): string => number.toString(16).padStart(12, '0').padEnd(24, '0');

test('a check is a replay from any other address than the one it first came from, also between others', (t) => {
  const seen = new SeenChecks();
  const from = [1, 1, 2, 1, 3, 3, 1];
  for (const [number, where] of from.entries()) t.false(seen.isReplay(transaction(number), source(where)));
  for (const [number, where] of from.entries())
    for (const other of [1, 2, 3]) t.is(seen.isReplay(transaction(number), source(other)), other !== where);
});

test('of too many checks the oldest are forgotten, whichever addresses they came from', (t) => {
  const seen = new SeenChecks();
  const whereOf = (number: number): number => (number < 3 ? 1 : 1 + (number % 2));
  for (let number = 0; number < MAX_CHECKS_SEEN + 5; number++)
    t.false(seen.isReplay(transaction(number), source(whereOf(number))));
  for (let number = 5; number < MAX_CHECKS_SEEN + 5; number++) {
    t.false(seen.isReplay(transaction(number), source(whereOf(number))));
    t.true(seen.isReplay(transaction(number), source(3)));
  }
  t.false(seen.isReplay(transaction(4), source(3)));
});
