import test from 'ava';
import { problemOf } from '../../../src/agent/problem.ts';
import { overlayConfiguration } from '../../../src/config/overlay-configuration.ts';

const GOOD = {
  state: 'member' as const,
  lapsed: false,
  expires: Date.UTC(2027, 0, 1),
  configuration: overlayConfiguration({ overlay: 'home.example' }),
};

test('a host that is revoked, or whose certificate has ended, is told so with what to do; others are told nothing', (t) => {
  t.is(problemOf(GOOD), null);
  t.is(problemOf({ ...GOOD, state: 'renewing' }), null);
  t.is(problemOf({ ...GOOD, state: 'left' }), null);
  t.regex(problemOf({ ...GOOD, state: 'revoked', lapsed: true }) ?? '', /revoked: .*home\.example.*new ticket/);
  t.regex(problemOf({ ...GOOD, lapsed: true }) ?? '', /ended 2027-01-01T00:00:00.000Z: .*new ticket/);
});
