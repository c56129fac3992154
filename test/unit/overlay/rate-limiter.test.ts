import test from 'ava';
import { RateLimiter } from '../../../src/overlay/rate-limiter.ts';

test('a node has its burst, then one token each interval, and never more than the burst', (t) => {
  const limiter = new RateLimiter({ burst: 3, intervalMs: 100 }, 10);
  const taken = (now: number): number =>
    Array.from({ length: 10 }, () => limiter.take('a', now)).filter(Boolean).length;
  t.is(taken(0), 3);
  t.is(taken(99), 0);
  t.is(taken(100), 1);
  t.is(taken(350), 2);
  t.is(taken(10_000), 3);
  t.true(limiter.take('b', 10_000), 'another node has its own');
});

test('of too many nodes the one that was served longest ago is forgotten', (t) => {
  const limiter = new RateLimiter({ burst: 1, intervalMs: 1_000 }, 2);
  for (const node of ['a', 'b', 'c']) limiter.take(node, 0);
  t.is(limiter.size, 2);
  t.false(limiter.take('c', 1));
  t.true(limiter.take('a', 1));
});

test('when the next token comes is known, and then it is there', (t) => {
  const limiter = new RateLimiter({ burst: 2, intervalMs: 100 / 3 }, 10);
  t.is(limiter.availableAt('a', 5.5), 5.5);
  limiter.take('a', 0.1);
  limiter.take('a', 0.2);
  const at = limiter.availableAt('a', 0.2);
  t.false(limiter.take('a', at - 0.001));
  t.true(limiter.take('a', at));
});
