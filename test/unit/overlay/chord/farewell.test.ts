import test from 'ava';
import { Farewell } from '../../../../src/overlay/chord/farewell.ts';
import { LEAVE_TIMEOUT_MS } from '../../../../src/overlay/constants.ts';
import { OverlayError } from '../../../../src/overlay/errors.ts';
import type { OutgoingRequest, RequestDone } from '../../../../src/overlay/requester.ts';
import { ERROR_CODES } from '../../../../src/reload/index.ts';

const id = (last: number): string => `20010022${last.toString(16).padStart(24, '0')}`;
const PEERS = [id(1), id(2), id(3)];

function farewell(): { farewell: Farewell; told: string[]; done: RequestDone[] } {
  const told: string[] = [];
  const done: RequestDone[] = [];
  const requester = {
    request: ({ firstHop }: OutgoingRequest, _now: number, answered: RequestDone) => {
      told.push(firstHop ?? '');
      done.push(answered);
      return 0n;
    },
    cancel: () => {},
  };
  return { farewell: new Farewell({ self: id(100), requester }), told, done };
}

const taken = { ok: true } as unknown as Parameters<RequestDone>[0];
const refused = { ok: false as const, error: new OverlayError(ERROR_CODES.in_progress, 'leaving, too') };

test('the peers are told at once, a thousand clients a few in each turn, and it ends when all are', (t) => {
  const { farewell: goodbye, told, done } = farewell();
  const others = Array.from({ length: 1_000 }, (_, i) => id(1_000 + i));
  let staying: number | undefined;
  goodbye.start({ peers: PEERS, predecessors: [], successors: PEERS, others }, 0, (count) => {
    staying = count;
  });
  t.deepEqual(told.slice(0, 3), PEERS);
  for (const answered of done.splice(0, 3)) answered(taken, 0);
  let before = told.length;
  t.true(before <= 20);
  for (let now = 1; staying === undefined && now < 1_000; now++) {
    goodbye.handleTimeout(now);
    t.true(told.length - before <= 16);
    before = told.length;
  }
  t.is(staying, 3);
  t.is(new Set(told).size, 1_003);
});

test('who refuses is not counted among those who stay, nor who does not answer', (t) => {
  const { farewell: goodbye, done } = farewell();
  const ended: { staying: number; at: number }[] = [];
  goodbye.start({ peers: PEERS, predecessors: PEERS, successors: [], others: [] }, 0, (staying, at) => {
    ended.push({ staying, at });
  });
  done[0]?.(taken, 10);
  done[1]?.(refused, 20);
  goodbye.handleTimeout(LEAVE_TIMEOUT_MS - 1);
  t.deepEqual(ended, []);
  goodbye.handleTimeout(LEAVE_TIMEOUT_MS);
  t.deepEqual(ended, [{ staying: 1, at: LEAVE_TIMEOUT_MS }]);
  done[2]?.(taken, LEAVE_TIMEOUT_MS + 1);
  t.is(goodbye.nextTimeout(), undefined);
});
