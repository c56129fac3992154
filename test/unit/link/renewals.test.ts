import test from 'ava';
import type { Association } from '../../../src/link/association.ts';
import { RENEWALS } from '../../../src/link/constants.ts';
import { Renewals } from '../../../src/link/renewals.ts';

/** The last one was in use last. */
const links = (count: number): Association[] =>
  Array.from({ length: count }, (_, i) => ({ link: i, restAt: i }) as unknown as Association);
const { atOnce, everyMs, turnMs } = RENEWALS;
/** A turn of the event loop takes no time. */
const clock = { monotonic: () => 0 };

test('those that were in use last come first, and no more at once than is said', (t) => {
  const renewals = new Renewals(clock);
  const done: { readonly link: number; readonly at: number }[] = [];
  renewals.begin(links(2 * atOnce + 1), ({ link }, at) => done.push({ link, at }), 100);
  t.is(done.length, atOnce);
  t.is(done[0]?.link, 2 * atOnce);
  t.is(renewals.nextTimeout(), 100 + everyMs);
  renewals.handleTimeout(100 + everyMs);
  renewals.handleTimeout(100 + 2 * everyMs);
  t.deepEqual(
    done.map(({ link }) => link),
    Array.from({ length: 2 * atOnce + 1 }, (_, i) => 2 * atOnce - i),
  );
  t.is(renewals.nextTimeout(), undefined);
});

test('a second move begins anew, and what waits for something else is done as well', (t) => {
  const renewals = new Renewals(clock);
  const moved = new Map<number, number>();
  const mapped: number[] = [];
  const move = ({ link }: Association): unknown => moved.set(link, (moved.get(link) ?? 0) + 1);
  renewals.begin(links(2 * atOnce), move, 0);
  renewals.begin(links(2 * atOnce), move, 1);
  renewals.begin(links(1), ({ link }) => mapped.push(link), 1);
  for (let at = renewals.nextTimeout(); at !== undefined; at = renewals.nextTimeout()) renewals.handleTimeout(at);
  t.is(moved.size, 2 * atOnce);
  t.is(moved.get(2 * atOnce - 1), 2);
  t.deepEqual(mapped, [0]);
});

test('what waits for something else has its share at once, and is not behind a thousand others', (t) => {
  const renewals = new Renewals(clock);
  const mapped: number[] = [];
  let moved = 0;
  renewals.begin(links(1_000), () => (moved += 1), 0);
  renewals.begin(links(1_000), ({ link }) => mapped.push(link), 1);
  renewals.handleTimeout(everyMs);
  t.is(mapped[0], 999);
  t.is(moved + mapped.length, 2 * atOnce);
});

test('what comes of one and is for all has the next turn', (t) => {
  const renewals = new Renewals(clock);
  let done = 0;
  const told = (): unknown => (done += 1);
  renewals.begin(
    links(1_000),
    () => {
      done += 1;
      renewals.begin(links(1_000), told, 0);
    },
    0,
  );
  t.is(done, atOnce);
  renewals.handleTimeout(everyMs);
  t.is(done, 2 * atOnce);
});

test('where each takes a millisecond, as the first time, one has its turn, and the others later', (t) => {
  let ms = 0;
  let done = 0;
  const renewals = new Renewals({ monotonic: () => ms });
  renewals.begin(
    links(10),
    () => {
      done += 1;
      ms += turnMs;
    },
    0,
  );
  t.is(done, 1);
  t.is(renewals.nextTimeout(), turnMs + everyMs);
  for (let now = renewals.nextTimeout(), before = 1; now !== undefined; now = renewals.nextTimeout()) {
    renewals.handleTimeout(now);
    t.is(done, before + 1);
    before = done;
  }
  t.is(done, 10);
});
