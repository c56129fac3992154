import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { OverlayClock } from '../../../src/base/overlay-clock.ts';
import { TimeKeeper } from '../../../src/overlay/time-keeper.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 0, 1);
const RTT = 40;

/** A host with a clock that is `offset` ms wrong, and members that say what the test wants. */
class Host {
  now = 0;
  offset: number;
  readonly clock: OverlayClock;
  readonly keeper: TimeKeeper;
  readonly members = new Map<string, number | undefined>();
  readonly warnings: string[] = [];
  asked = 0;
  changes = 0;
  private answers: { at: number; run: () => void }[] = [];

  constructor(offset: number, proven?: number) {
    this.offset = offset;
    const host = { monotonic: () => this.now, uptime: () => this.now, wall: () => NOW + this.now + this.offset };
    this.clock = new OverlayClock(host, proven === undefined ? {} : { proven });
    const say = (event: string): number => this.warnings.push(event);
    this.keeper = new TimeKeeper({
      clock: this.clock,
      logger: { ...silentLogger, warn: say, info: say },
      ports: {
        ask: (hit, now, done) => {
          this.asked += 1;
          const wrong = this.members.get(hit);
          const time = wrong === undefined ? undefined : NOW + now + RTT / 2 + wrong;
          const at = now + (time === undefined ? 15_000 : RTT);
          this.answers.push({ at, run: () => done(time, at) });
        },
        known: () => (this.changes += 1),
        corrected: () => (this.changes += 1),
      },
    });
    this.keeper.start(0);
  }

  /** How wrong our time is, ms. */
  get wrong(): number {
    return this.clock.wall() - NOW - this.now;
  }

  /** A member whose clock is so wrong is linked; undefined: it never answers. */
  link(hit: string, wrong: number | undefined): void {
    this.members.set(hit, wrong);
    this.keeper.linkUp(hit, this.now);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = Math.min(this.keeper.nextTimeout() ?? Infinity, ...this.answers.map(({ at }) => at));
      if (next > end) break;
      this.now = Math.max(this.now, next);
      const due = this.answers.filter(({ at }) => at <= this.now);
      this.answers = this.answers.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
      if ((this.keeper.nextTimeout() ?? Infinity) <= this.now) this.keeper.handleTimeout(this.now);
    }
    this.now = end;
  }
}

test('a host with the right time knows so after one round trip, and says nothing', (t) => {
  const host = new Host(0);
  t.false(host.keeper.known);
  host.link('a', 300);
  host.run(RTT);
  t.true(host.keeper.known);
  t.is(host.wrong, 0);
  t.deepEqual(host.warnings, []);
  t.is(host.changes, 1);
});

test('a slow host takes the time of the first member over, to the millisecond, and says so once', (t) => {
  const host = new Host(-2 * DAY);
  host.link('a', 0);
  host.run(RTT);
  t.true(host.keeper.known);
  t.is(host.wrong, 0);
  host.run(DAY);
  t.is(host.warnings.length, 1);
});

test('a fast host asks twice before it goes back', (t) => {
  const host = new Host(3 * HOUR);
  host.link('a', 0);
  host.run(1_000);
  t.false(host.keeper.known);
  t.is(host.wrong, 3 * HOUR);
  host.run(2_000);
  t.true(host.keeper.known);
  t.is(host.wrong, 0);
});

test('two hosts that have heard nobody agree on the later time', (t) => {
  const [slow, fast] = [new Host(0), new Host(3 * HOUR)];
  slow.link('fast', fast.wrong);
  fast.link('slow', slow.wrong);
  for (const host of [slow, fast]) host.run(RTT);
  fast.members.set('slow', slow.wrong);
  for (const host of [slow, fast]) host.run(5_000);
  t.is(slow.wrong, 3 * HOUR);
  t.is(fast.wrong, 3 * HOUR);
});

test('a host that is alone in the overlay keeps its time when one with another joins', (t) => {
  for (const offset of [-2 * DAY, 3 * HOUR]) {
    const [first, newcomer] = [new Host(0), new Host(offset)];
    first.keeper.alone(0);
    first.link('newcomer', newcomer.wrong);
    newcomer.link('first', 0);
    for (let second = 0; second < 60; second++) {
      for (const host of [first, newcomer]) host.run(1_000);
      first.members.set('newcomer', newcomer.wrong);
      newcomer.members.set('first', first.wrong);
    }
    t.is(first.wrong, 0);
    t.is(newcomer.wrong, 0);
  }
});

test('two hosts that were alone each agree on the later time when they meet', (t) => {
  const [slow, fast] = [new Host(0), new Host(3 * HOUR)];
  for (const host of [slow, fast]) host.keeper.alone(0);
  slow.link('fast', fast.wrong);
  fast.link('slow', slow.wrong);
  for (let second = 0; second < 60; second++) {
    for (const host of [slow, fast]) host.run(1_000);
    fast.members.set('slow', slow.wrong);
    slow.members.set('fast', fast.wrong);
  }
  t.is(slow.wrong, 3 * HOUR);
  t.is(fast.wrong, 3 * HOUR);
});

test('a host that was alone takes the time of an overlay over, even when it has a link to one member only', (t) => {
  for (const offset of [-2 * DAY, 3 * HOUR]) {
    const host = new Host(offset);
    host.keeper.alone(0);
    host.link('a', 0);
    host.run(60_000);
    t.is(host.wrong, 0);
  }
});

test('who hears nobody goes on with its own time after three seconds, and listens later', (t) => {
  const host = new Host(-2 * DAY);
  host.link('a', undefined);
  host.run(2_999);
  t.false(host.keeper.known);
  host.run(1);
  t.true(host.keeper.known);
  t.is(host.wrong, -2 * DAY);
  host.members.set('a', 0);
  host.run(60_000);
  t.is(host.wrong, 0);
  t.is(host.changes, 2);
});

test('one member, or two, move nobody who has heard others', (t) => {
  const host = new Host(0);
  host.link('a', 0);
  host.run(RTT);
  host.link('b', 10 * DAY);
  host.link('c', 10 * DAY);
  host.run(DAY);
  t.is(host.wrong, 0);
  host.keeper.linkDown('a');
  host.run(DAY);
  t.is(host.wrong, 0);
});

test('three members of four that agree against us move our time', (t) => {
  const host = new Host(0);
  host.link('liar', 0);
  host.run(RTT);
  for (const hit of ['a', 'b', 'c']) host.link(hit, -HOUR);
  host.run(5_000);
  t.is(host.wrong, -HOUR);
});

test('members whose clocks were corrected meanwhile are asked again before our time is moved', (t) => {
  const host = new Host(0);
  host.link('a', 0);
  host.run(RTT);
  for (const hit of ['b', 'c']) host.link(hit, 5 * HOUR);
  host.run(60_000);
  t.is(host.wrong, 0);
  host.members.set('b', 0);
  host.members.set('c', 0);
  host.link('d', 5 * HOUR);
  host.run(60_000);
  t.is(host.wrong, 0);
});

test('a member that stays silent holds up no judgement of the others', (t) => {
  const host = new Host(0);
  host.link('silent', undefined);
  host.link('a', 0);
  host.run(RTT);
  for (const hit of ['b', 'c', 'd']) host.link(hit, HOUR);
  host.run(60_000);
  t.is(host.wrong, HOUR);
});

test('a time before what is proven is not believed', (t) => {
  const host = new Host(-NOW, NOW - DAY);
  t.is(host.wrong, -DAY);
  host.link('liar', -30 * DAY);
  host.run(60_000);
  t.is(host.wrong, -DAY);
  host.link('a', 0);
  host.run(11_000);
  t.is(host.wrong, 0);
});

test('absurd times of members are survived', (t) => {
  for (const time of [Infinity, 2 ** 64, -(2 ** 64), NaN]) {
    const host = new Host(0);
    host.link('a', time);
    t.notThrows(() => host.run(60_000));
    t.true(Number.isFinite(host.clock.wall()), String(time));
  }
});

test('a clock that is set right while the agent runs is said once, and changes no time', (t) => {
  const host = new Host(-2 * DAY);
  host.link('a', 0);
  host.run(HOUR);
  host.offset = 0;
  host.run(HOUR);
  t.is(host.wrong, 0);
  t.is(host.warnings.length, 2);
  host.offset = DAY;
  host.run(DAY);
  t.is(host.wrong, 0);
  t.is(host.warnings.length, 3);
});

test('members are asked seldom', (t) => {
  const host = new Host(0);
  for (let i = 0; i < 100; i++) host.link(`m${i}`, 0);
  host.run(DAY);
  t.true(host.asked <= 64 * 97, String(host.asked));
});

test('a host that has agreed on the time asks the first four at once and the others later, each once', (t) => {
  const host = new Host(0);
  host.link('a', 0);
  host.run(RTT);
  t.true(host.keeper.known);
  for (const hit of ['b', 'c', 'd', 'e', 'f']) host.link(hit, 0);
  host.run(3_000);
  t.is(host.asked, 4);
  host.run(10_000);
  t.is(host.asked, 6);
});

test('members that never answer are asked less and less often', (t) => {
  const host = new Host(0);
  for (let i = 0; i < 100; i++) host.link(`m${i}`, undefined);
  host.run(DAY);
  t.true(host.asked <= 64 * 110, String(host.asked));
});

test('where all that are asked stay silent, a member that comes later is heard', (t) => {
  const host = new Host(-2 * DAY);
  for (let i = 0; i < 100; i++) host.link(`m${i}`, undefined);
  host.run(HOUR);
  host.link('a', 0);
  host.run(15_000);
  t.is(host.wrong, 0);
});
