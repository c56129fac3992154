import test from 'ava';
import { OverlayClock } from '../../../src/base/overlay-clock.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 0, 1);

/** A host whose clock can be set and which can sleep. */
class Host {
  now = 5_000;
  slept = 0;
  offset = 0;

  monotonic(): number {
    return this.now;
  }

  uptime(): number {
    return this.now + this.slept;
  }

  wall(): number {
    return NOW + this.now + this.slept + this.offset;
  }

  get truth(): number {
    return NOW + this.now + this.slept;
  }
}

test('the time passes as it does for the host', (t) => {
  const host = new Host();
  const clock = new OverlayClock(host);
  host.now += HOUR;
  t.is(clock.wall(), host.truth);
  t.is(clock.offsetMs, 0);
  t.is(clock.source, 'host');
});

for (const step of [-DAY, DAY, 90_000, -90_000])
  test(`a clock of the host that is set by ${step / 1000} s while others are heard changes nothing`, (t) => {
    const host = new Host();
    const clock = new OverlayClock(host);
    clock.agree(0);
    host.now += HOUR;
    host.offset = step;
    t.is(clock.wall(), host.truth);
    t.is(clock.offsetMs, -step);
    host.now += HOUR;
    host.offset = 0;
    t.is(clock.wall(), host.truth);
    t.is(clock.offsetMs, 0);
  });

test('a host that slept finds its time later by its sleep', (t) => {
  const host = new Host();
  const clock = new OverlayClock(host);
  clock.agree(2 * DAY);
  for (const night of [8 * HOUR, 9 * HOUR]) {
    host.now += HOUR;
    host.slept += night;
    t.is(clock.wall(), host.truth + 2 * DAY);
  }
});

test('a host that slept while its clock was set is told apart from one whose clock was set', (t) => {
  const host = new Host();
  const clock = new OverlayClock(host);
  clock.agree(0);
  host.slept += 8 * HOUR;
  host.offset = -DAY;
  t.is(clock.wall(), host.truth);
});

test('a clock of 1970 starts at what is proven', (t) => {
  const host = new Host();
  host.offset = -NOW;
  const clock = new OverlayClock(host, { proven: NOW - 30 * DAY });
  t.is(clock.wall(), NOW - 30 * DAY);
  t.is(clock.source, 'proof');
  host.now += HOUR;
  t.is(clock.wall(), NOW - 30 * DAY + HOUR);
});

test('a proof of what is past already changes nothing', (t) => {
  const host = new Host();
  const clock = new OverlayClock(host);
  clock.prove(NOW - DAY);
  t.is(clock.wall(), host.truth);
  t.is(clock.proven, NOW - DAY);
});

test('nobody was heard: a clock that is set forward is followed, one that is set back is not', (t) => {
  const host = new Host();
  host.offset = -NOW;
  const clock = new OverlayClock(host, { proven: NOW - 30 * DAY });
  host.now += 20_000;
  host.offset = 0;
  t.is(clock.wall(), host.truth);
  t.is(clock.source, 'host');
  host.offset = -3 * HOUR;
  t.is(clock.wall(), host.truth);
});
