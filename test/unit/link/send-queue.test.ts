import test from 'ava';
import { MAX_QUEUED_BYTES, MAX_QUEUED_FRAMES } from '../../../src/link/constants.ts';
import { SendQueue } from '../../../src/link/send-queue.ts';

test('frames come out in the order they went in', (t) => {
  const queue = new SendQueue();
  queue.push(Uint8Array.of(1), true);
  queue.push(Uint8Array.of(2), false);
  t.deepEqual([queue.shift(), queue.shift(), queue.shift()], [Uint8Array.of(1), Uint8Array.of(2), undefined]);
});

test('a full queue loses its oldest request and keeps the answers', (t) => {
  const queue = new SendQueue();
  queue.push(Uint8Array.of(1), false);
  queue.push(Uint8Array.of(2), true);
  for (let i = 0; i < MAX_QUEUED_FRAMES - 1; i++) queue.push(Uint8Array.of(3), true);
  t.is(queue.dropped, 1);
  t.is(queue.length, MAX_QUEUED_FRAMES);
  t.deepEqual([queue.shift(), queue.shift()], [Uint8Array.of(1), Uint8Array.of(3)]);
});

test('without requests the oldest answer goes', (t) => {
  const queue = new SendQueue();
  for (let i = 0; i <= MAX_QUEUED_FRAMES; i++) queue.push(Uint8Array.of(i & 0xff), false);
  t.deepEqual(queue.shift(), Uint8Array.of(1));
});

test('bytes are bounded too', (t) => {
  const queue = new SendQueue();
  for (let i = 0; i < 3; i++) queue.push(new Uint8Array(MAX_QUEUED_BYTES / 2), true);
  t.is(queue.length, 2);
});
