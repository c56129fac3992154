import test from 'ava';
import { UserNumbers } from '../../../src/agent/user-numbers.ts';

test('all hosts of a user have one number, nobody’s host has 0, and no more users are kept than are of use', (t) => {
  const numbers = new UserNumbers();
  t.is(numbers.of(null), 0);
  const alice = numbers.of('alice@home.example');
  t.true(alice > 0);
  t.not(numbers.of('bob@home.example'), alice);
  t.is(numbers.of('alice@home.example'), alice);
  for (let i = 0; i < 5_000; i++) numbers.of(`user${i}@home.example`);
  t.not(numbers.of('alice@home.example'), alice, 'forgotten');
});
