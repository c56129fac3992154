import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { DoubleWatch, type DoubleEvent, type Run } from '../../../src/membership/double-watch.ts';

const STARTED = 1_000_000;

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
  bench.watch.suspect(bench.now);
  bench.watch.entered(bench.now);
  t.true(bench.watch.isAway);
});

test('who loses its links once seeks others at once; who loses them again within a minute waits a moment', (t) => {
  const bench = new Bench();
  bench.watch.suspect(1_000);
  t.false(bench.watch.keepsBack(1_000));
  bench.watch.suspect(20_000);
  t.true(bench.watch.keepsBack(20_000));
  t.false(bench.watch.keepsBack(21_500));
  bench.watch.suspect(100_000);
  t.false(bench.watch.keepsBack(100_000));
});

test('the own entry says nothing, nor one of which nothing is known', (t) => {
  const bench = new Bench();
  bench.latest = { startedAt: STARTED };
  bench.watch.entered(0);
  bench.watch.suspect(10);
  bench.watch.linkUp(20);
  bench.runTo(100_000);
  t.deepEqual(bench.told, []);
});
