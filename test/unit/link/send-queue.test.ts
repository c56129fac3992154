import test from 'ava';
import { MAX_QUEUED_BYTES, MAX_QUEUED_FRAMES } from '../../../src/link/constants.ts';
import { SendQueue } from '../../../src/link/send-queue.ts';

const REQUEST = { request: true, storage: false };
const ANSWER = { request: false, storage: false };
const STORE = { request: true, storage: true };

test('frames come out in the order they went in', (t) => {
  const queue = new SendQueue();
  queue.push(Uint8Array.of(1), REQUEST);
  queue.push(Uint8Array.of(2), ANSWER);
  t.deepEqual([queue.shift(), queue.shift(), queue.shift()], [Uint8Array.of(1), Uint8Array.of(2), undefined]);
});

test('a full queue loses its oldest request and keeps the answers', (t) => {
  const queue = new SendQueue();
  queue.push(Uint8Array.of(1), ANSWER);
  queue.push(Uint8Array.of(2), REQUEST);
  for (let i = 0; i < MAX_QUEUED_FRAMES - 1; i++) queue.push(Uint8Array.of(3), REQUEST);
  t.is(queue.dropped, 1);
  t.is(queue.length, MAX_QUEUED_FRAMES);
  t.deepEqual([queue.shift(), queue.shift()], [Uint8Array.of(1), Uint8Array.of(3)]);
});

test('without requests the oldest answer goes', (t) => {
  const queue = new SendQueue();
  for (let i = 0; i <= MAX_QUEUED_FRAMES; i++) queue.push(Uint8Array.of(i & 0xff), ANSWER);
  t.deepEqual(queue.shift(), Uint8Array.of(1));
});

test('bytes are bounded too', (t) => {
  const queue = new SendQueue();
  for (let i = 0; i < 3; i++) queue.push(new Uint8Array(MAX_QUEUED_BYTES / 2), REQUEST);
  t.is(queue.length, 2);
});

test('what keeps the ring goes before storage, but each fourth frame is the oldest one', (t) => {
  const queue = new SendQueue();
  for (let i = 0; i < 4; i++) queue.push(Uint8Array.of(i), STORE);
  for (let i = 10; i < 15; i++) queue.push(Uint8Array.of(i), ANSWER);
  const out: number[] = [];
  for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) out.push(frame[0] ?? -1);
  t.deepEqual(out, [10, 11, 12, 0, 13, 14, 1, 2, 3]);
});
