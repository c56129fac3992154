import test from 'ava';
import { AnswerCache } from '../../../src/overlay/answer-cache.ts';

const REQUESTER = '20010022'.padEnd(32, '1');

test('a retransmission gets the answer of the first, until the lifetime of a request is over', (t) => {
  const cache = new AnswerCache();
  t.is(cache.begin(REQUESTER, 7n, 0), 'new');
  t.is(cache.begin(REQUESTER, 7n, 10), 'working');
  const payload = Uint8Array.of(1);
  cache.finish(REQUESTER, 7n, payload);
  t.is(cache.begin(REQUESTER, 7n, 14_999), payload);
  t.is(cache.begin(REQUESTER, 7n, 15_000), 'new');
});

test('another node with the same transaction id is another request', (t) => {
  const cache = new AnswerCache();
  cache.begin(REQUESTER, 7n, 0);
  t.is(cache.begin('20010022'.padEnd(32, '2'), 7n, 0), 'new');
});

test('the oldest answers leave when there are too many', (t) => {
  const cache = new AnswerCache();
  for (let i = 0; i < 600; i++) cache.begin(String(i % 10).repeat(32), BigInt(i), 0);
  t.is(cache.size, 512);
  t.is(cache.begin('0'.repeat(32), 0n, 1), 'new');
});

test('a node with many requests pushes out its own answers, not those of others', (t) => {
  const cache = new AnswerCache();
  const other = '20010022'.padEnd(32, '2');
  cache.begin(other, 7n, 0);
  cache.finish(other, 7n, Uint8Array.of(1));
  for (let i = 0n; i < 5_000n; i++) cache.begin(REQUESTER, i, 0);
  t.is(cache.size, 129);
  t.deepEqual(cache.begin(other, 7n, 1), Uint8Array.of(1));
});

test('a request that is not worked on after all is new again', (t) => {
  const cache = new AnswerCache();
  cache.begin(REQUESTER, 7n, 0);
  cache.forget(REQUESTER, 7n);
  t.is(cache.size, 0);
  t.is(cache.begin(REQUESTER, 7n, 1), 'new');
});
