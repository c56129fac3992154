import test from 'ava';
import { SHORTEST_SLEEP_MS, SLEEP_LOOK_MS } from '../../../src/mobility/constants.ts';
import { SleepWatch } from '../../../src/mobility/sleep-watch.ts';

class Host {
  now = 5_000;
  slept = 1_000_000;

  readonly wakings: number[] = [];
  readonly watch = new SleepWatch(
    { monotonic: () => this.now, uptime: () => this.now + this.slept, wall: () => 0 },
    (now) => this.wakings.push(now),
  );

  run(ms: number): void {
    const end = this.now + ms;
    while (this.watch.nextTimeout() <= end) {
      this.now = this.watch.nextTimeout();
      this.watch.handleTimeout(this.now);
    }
    this.now = end;
  }
}

test('a sleep is noticed once, soon after it, and the next one too', (t) => {
  const host = new Host();
  host.run(60_000);
  t.deepEqual(host.wakings, []);
  for (const count of [1, 2]) {
    host.slept += 3_600_000;
    const since = host.now;
    host.run(60_000);
    t.is(host.wakings.length, count);
    t.true((host.wakings.at(-1) ?? Infinity) - since <= SLEEP_LOOK_MS);
  }
});

test('a short pause, and clocks that run apart a little, are no sleep', (t) => {
  const host = new Host();
  for (let minute = 0; minute < 60; minute++) {
    host.slept += SHORTEST_SLEEP_MS - 1;
    host.run(60_000);
  }
  t.deepEqual(host.wakings, []);
});
