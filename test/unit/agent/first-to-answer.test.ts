import test from 'ava';
import { firstToAnswer } from '../../../src/agent/first-to-answer.ts';
import type { Hit } from '../../../src/base/node-id.ts';

const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(32)) as [Hit, Hit, Hit];

function setUp(hosts: readonly Hit[], controller = new AbortController()) {
  const asked: Hit[] = [];
  const answers = new Map<Hit, (reason?: string) => void>();
  const timers: (() => void)[] = [];
  const result = firstToAnswer(hosts, {
    link: (hit, done) => {
      asked.push(hit);
      answers.set(hit, done);
    },
    after: (_ms, then) => void timers.push(then),
    signal: controller.signal,
  });
  const answer = (hit: Hit, reason?: string): void => answers.get(hit)?.(reason);
  return { asked, answer, result, wait: () => timers.shift()?.() };
}

test('the next host is asked when one has failed, and none after one is linked', async (t) => {
  const { asked, answer, result, wait } = setUp([A, B, C]);
  t.deepEqual(asked, [A]);
  answer(A, 'off');
  wait();
  t.deepEqual(asked, [A, B]);
  answer(B);
  wait();
  t.deepEqual(asked, [A, B]);
  t.deepEqual(await result, { first: B, unanswered: [{ hit: A, reason: 'off' }] });
});

test('the next host is asked beside one that takes its time, and whoever is linked first is the one', async (t) => {
  const { asked, answer, result, wait } = setUp([A, B, C]);
  wait();
  t.deepEqual(asked, [A, B]);
  answer(A);
  answer(B, 'off');
  t.deepEqual(await result, { first: A, unanswered: [] });
});

test('none is linked: each says why', async (t) => {
  const { answer, result, wait } = setUp([A, B]);
  wait();
  answer(B, 'away');
  answer(A, 'off');
  t.deepEqual(await result, {
    first: undefined,
    unanswered: [
      { hit: B, reason: 'away' },
      { hit: A, reason: 'off' },
    ],
  });
});

test('whoever asked has gone away: nobody else is asked', async (t) => {
  const controller = new AbortController();
  const { asked, answer, result } = setUp([A, B], controller);
  controller.abort();
  answer(A, 'off');
  t.deepEqual(await result, { first: undefined, unanswered: [] });
  t.deepEqual(asked, [A]);
});
