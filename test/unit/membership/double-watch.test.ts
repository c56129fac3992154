import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { MAX_DOUBLE_MEMBERS } from '../../../src/membership/constants.ts';
import { DoubleWatch, type DoubleEvent, type Run } from '../../../src/membership/double-watch.ts';

const STARTED = 1_000_000;
const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(32)) as [Hit, Hit, Hit];

/** What the overlay answers is `latest`. */
class Bench {
  now = 0;
  latest: Run | undefined;
  readonly asked: number[] = [];
  readonly events: DoubleEvent[] = [];
  written = 0;
  readonly watch = new DoubleWatch(
    {
      ports: {
        latestRun: (_since, now, done) => {
          this.asked.push(now);
          done(this.latest, now);
        },
        reassert: () => {
          this.written += 1;
        },
        startOver: () => {
          this.written += 1;
        },
      },
      logger: silentLogger,
    },
    { startedAt: STARTED },
  );

  constructor() {
    this.watch.onEvent((event) => this.events.push(event));
  }

  runTo(end: number): void {
    for (let at = this.watch.nextTimeout(); at !== undefined && at <= end; at = this.watch.nextTimeout()) {
      this.now = at;
      this.watch.handleTimeout(at);
    }
    this.now = end;
  }

  get told(): string[] {
    return this.events.map(({ type }) => type);
  }
}

test('while nobody else writes, the entry is looked at less and less often, at most every ten minutes', (t) => {
  const bench = new Bench();
  bench.watch.entered(0);
  bench.runTo(86_400_000);
  t.deepEqual(bench.asked.slice(0, 4), [3_000, 6_000, 12_000, 24_000]);
  t.true(bench.asked.length < 160);
  t.deepEqual(bench.told, []);
});

test('the entry of an agent that was started later is written over, told once, and forgotten when it comes no more', (t) => {
  const bench = new Bench();
  bench.watch.entered(0);
  bench.latest = { startedAt: STARTED + 5 };
  bench.runTo(30_000);
  t.true(bench.written >= 5);
  t.deepEqual(bench.events, [{ type: 'met', startedAt: STARTED + 5 }]);
  bench.latest = undefined;
  bench.runTo(3_600_000);
  t.deepEqual(bench.told, ['met', 'gone']);
});

test('an agent that was started earlier is left alone, for longer after each look', (t) => {
  const bench = new Bench();
  bench.latest = { startedAt: STARTED - 5 };
  bench.watch.entered(0);
  bench.runTo(4 * 3_600_000);
  const away = bench.events.flatMap((event) => (event.type === 'away' ? [event.againInMs / 60_000] : []));
  t.deepEqual(away.slice(0, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
  t.true(bench.watch.keepsBack(bench.now));
  // What happens to links then says nothing.
  for (let i = 0; i < 5; i++) bench.watch.suspect(A, bench.now);
  bench.watch.entered(bench.now);
  t.true(bench.watch.isAway);
});

test('what several members do once, or one of them seldom, says nothing; what one does twice in a minute is looked into', (t) => {
  const bench = new Bench();
  for (const hit of [A, B, C]) bench.watch.suspect(hit, 1_000);
  bench.watch.suspect(A, 62_000);
  t.is(bench.written, 0);
  t.is(bench.watch.nextTimeout(), undefined);
  bench.watch.suspect(A, 70_000);
  t.is(bench.written, 1);
  t.is(bench.watch.nextTimeout(), 71_000);
  t.false(bench.watch.keepsBack(70_000));
});

test('whose links one member ends three times in a minute waits a moment before it seeks others', (t) => {
  const bench = new Bench();
  for (const at of [1_000, 20_000, 40_000]) bench.watch.suspect(A, at);
  t.true(bench.watch.keepsBack(40_000));
  t.false(bench.watch.keepsBack(41_500));
});

test('members that end links are remembered for a minute, and no more than so many', (t) => {
  const bench = new Bench();
  bench.watch.suspect(A, 0);
  for (let i = 0; i < MAX_DOUBLE_MEMBERS; i++) bench.watch.suspect(String(i).padStart(32, '0'), 1);
  bench.watch.suspect(A, 2);
  t.is(bench.written, 0);
});

test('links that end are no proof: as long as nobody else has written, nothing is told', (t) => {
  const bench = new Bench();
  bench.watch.entered(0);
  for (const at of [10, 11, 12]) bench.watch.suspect(A, at);
  bench.watch.linkUp(20);
  bench.runTo(100_000);
  t.deepEqual(bench.told, []);
});
