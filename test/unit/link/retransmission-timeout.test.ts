import test from 'ava';
import { RetransmissionTimeout } from '../../../src/link/retransmission-timeout.ts';

test('before any measurement it is 500 ms', (t) => {
  t.is(new RetransmissionTimeout().current, 500);
});

test('the first measurement R makes it R + 4 R/2 (RFC 6298 s2.2)', (t) => {
  const timeout = new RetransmissionTimeout();
  timeout.measured(200);
  t.is(timeout.current, 600);
});

test('further ones are smoothed (RFC 6298 s2.3)', (t) => {
  const timeout = new RetransmissionTimeout();
  timeout.measured(200);
  timeout.measured(240);
  t.is(timeout.smoothedRttMs, 205);
  t.is(timeout.current, 205 + 4 * 85);
});

test('it stays between 100 ms and 3 s', (t) => {
  const timeout = new RetransmissionTimeout();
  timeout.measured(1);
  t.is(timeout.current, 100);
  timeout.forget();
  timeout.measured(9_000);
  t.is(timeout.current, 3_000);
});
