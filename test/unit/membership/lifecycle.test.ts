import test from 'ava';
import { Lifecycle, type MembershipState } from '../../../src/membership/lifecycle.ts';

const STATES: readonly MembershipState[] = ['invited', 'enrolling', 'member', 'renewing', 'revoked', 'left'];
const WAYS: ReadonlySet<string> = new Set([
  'invited enrolling',
  'invited member',
  'invited left',
  'enrolling invited',
  'enrolling member',
  'enrolling left',
  'member renewing',
  'member revoked',
  'member left',
  'renewing member',
  'renewing revoked',
  'renewing left',
  'revoked left',
  'left invited',
  'left member',
]);

test('a lifecycle goes the ways of its diagram, and no other one', (t) => {
  for (const from of STATES)
    for (const to of STATES) {
      const lifecycle = new Lifecycle(from);
      if (from === to || WAYS.has(`${from} ${to}`)) {
        lifecycle.move(to);
        t.is(lifecycle.state, to);
      } else {
        t.throws(() => lifecycle.move(to), { instanceOf: TypeError }, `${from} to ${to}`);
        t.is(lifecycle.state, from);
      }
    }
});

test('a host is a member also while its certificate is due, and in no other state', (t) => {
  t.deepEqual(
    STATES.filter((state) => new Lifecycle(state).isMember),
    ['member', 'renewing'],
  );
});
