import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { TRANSACTIONS_PER_TURN } from '../../../src/overlay/constants.ts';
import { OverlayTimeoutError } from '../../../src/overlay/errors.ts';
import { type RequestResult, toNode } from '../../../src/overlay/requester.ts';
import { type PendingRequest, Transactions } from '../../../src/overlay/transactions.ts';

const REQUEST = {
  destination: [toNode('20010022'.padEnd(32, '1'))],
  body: { type: 'ping_req' as const, padding: new Uint8Array() },
};

function start(): { transactions: Transactions; sent: { id: bigint; at: number }[] } {
  const sent: { id: bigint; at: number }[] = [];
  const transactions = new Transactions({
    random: seededRandom(1),
    intervalMs: 3_000,
    transmit: (pending: PendingRequest, now: number) => sent.push({ id: pending.transactionId, at: now }),
  });
  return { transactions, sent };
}

test('a request without an answer is sent five times and fails after 15 seconds', (t) => {
  const { transactions, sent } = start();
  let result: RequestResult | undefined;
  transactions.start(REQUEST, 0, (outcome) => (result = outcome));
  for (let next = transactions.nextTimeout(); next !== undefined; next = transactions.nextTimeout()) {
    transactions.handleTimeout(next);
    if (result === undefined) t.true(next < 15_000);
    else t.is(next, 15_000);
  }
  t.deepEqual(
    sent.map(({ at }) => at),
    [0, 3_000, 6_000, 9_000, 12_000],
  );
  t.is(new Set(sent.map(({ id }) => id)).size, 1);
  t.true(result?.ok === false && result.error instanceof OverlayTimeoutError);
  t.is(transactions.size, 0);
});

test('a read without an answer is repeated after one second, the last time when others are, and fails after 15 seconds', (t) => {
  const { transactions, sent } = start();
  const body = { type: 'fetch_req' as const, resource: '20010022'.padEnd(32, '2'), specifiers: [] };
  let failedAt: number | undefined;
  transactions.start({ ...REQUEST, body }, 0, (_, now) => (failedAt = now));
  for (let next = transactions.nextTimeout(); next !== undefined; next = transactions.nextTimeout())
    transactions.handleTimeout(next);
  t.deepEqual(
    sent.map(({ at }) => Math.round(at)),
    [0, 1_000, 4_667, 8_333, 12_000],
  );
  t.is(failedAt, 15_000);
});

test('a node that is not in the ring refuses: asked again at once and then after doubled pauses, which count as no try', (t) => {
  const { transactions, sent } = start();
  let result: RequestResult | undefined;
  const id = transactions.start(REQUEST, 0, (outcome) => (result = outcome));
  const hint = new OverlayTimeoutError('ping_req');
  for (let next = transactions.nextTimeout(); next !== undefined; next = transactions.nextTimeout()) {
    const pending = transactions.find(id);
    if (pending !== undefined && next > 0 && sent.length < 7)
      transactions.refusedByNewcomer(pending, `${sent.length}`, hint, sent.at(-1)?.at ?? 0);
    transactions.handleTimeout(transactions.nextTimeout() ?? next);
  }
  t.deepEqual(
    sent.map(({ at }) => at),
    [0, 0, 100, 300, 700, 1_500, 4_500, 7_500, 10_500, 13_500],
  );
  t.true(result?.ok === false && result.error === hint);
});

test('a cancelled request is neither sent nor answered', (t) => {
  const { transactions, sent } = start();
  const id = transactions.start(REQUEST, 0, () => t.fail());
  transactions.cancel(id);
  transactions.handleTimeout(20_000);
  t.is(sent.length, 1);
  t.is(transactions.find(id), undefined);
});

test('an outcome that is known at once comes with the next timeout, not in the call', (t) => {
  const transactions: Transactions = new Transactions({
    random: seededRandom(1),
    intervalMs: 3_000,
    transmit: (pending, now) =>
      transactions.finishSoon(pending, { ok: false, error: new OverlayTimeoutError('Ping') }, now),
  });
  let calls = 0;
  transactions.start(REQUEST, 5, () => (calls += 1));
  t.is(calls, 0);
  t.is(transactions.nextTimeout(), 5);
  transactions.handleTimeout(5);
  t.is(calls, 1);
});

test('beyond the bound a request fails and the others stay', (t) => {
  const { transactions } = start();
  for (let i = 0; i < 4_096; i++) transactions.start(REQUEST, 0, () => t.fail());
  let refused: RequestResult | undefined;
  transactions.start(REQUEST, 0, (result) => (refused = result));
  transactions.handleTimeout(0);
  t.false(refused?.ok ?? true);
  t.is(transactions.size, 4_096);
});

test('of a thousand requests that are to be repeated at once few are sent in one turn, and all of them', (t) => {
  const { transactions, sent } = start();
  for (let i = 0; i < 1_000; i++) transactions.start(REQUEST, 0, () => {});
  const perTurn: number[] = [];
  for (let before = sent.length; (transactions.nextTimeout() ?? Infinity) <= 3_000; before = sent.length) {
    transactions.handleTimeout(3_000);
    perTurn.push(sent.length - before);
  }
  t.is(Math.max(...perTurn), TRANSACTIONS_PER_TURN);
  t.is(sent.length, 2_000);
});
