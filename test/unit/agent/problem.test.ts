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

test('of two agents with one key each is told of the other, with what to do', (t) => {
  const double = { startedAt: Date.UTC(2026, 0, 1), remote: { address: '192.0.2.7', port: 6084 }, isAway: true };
  t.regex(
    problemOf(GOOD, double) ?? '',
    /^another agent at 192\.0\.2\.7:6084 started 2026-01-01T00:00:00\.000Z has this host's key.*stays out.*new ticket$/,
  );
  t.regex(
    problemOf(GOOD, { isAway: false }) ?? '',
    /^another agent has this host's key[^!]*remove its state directory/,
  );
});
