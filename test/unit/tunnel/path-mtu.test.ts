import test from 'ava';
import { PMTU_RAISE_TIMER_MS } from '../../../src/tunnel/path-mtu.ts';
import { PathUnderTest, carries } from './path-under-test.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

test('on an ordinary path the full size is known after one round trip', (t) => {
  const path = new PathUnderTest(carries(1500, 20));
  path.run(20);
  t.is(path.discovery.pathMtu, 1500);
  t.deepEqual(path.told, [{ at: 20, size: 1500 }]);
  path.run(MINUTE);
  t.is(path.discovery.state, 'searchComplete');
  t.is(path.discovery.pathMtu, 1500);
  t.true(path.probesSent < 10);
});

test('a jumbo path is known after three round trips', (t) => {
  const path = new PathUnderTest(carries(9000, 20));
  path.run(60);
  t.is(path.discovery.pathMtu, 9000);
  t.is(path.discovery.state, 'searchComplete');
  t.deepEqual(
    path.told.map(({ size }) => size),
    [1500, 1520, 9000],
  );
});

test('a narrow path stays at 1280 until more is confirmed, and ends within one step of what it carries', (t) => {
  for (const mtu of [1280, 1287, 1300, 1400, 1420, 1454, 1472, 1480, 1492, 1499]) {
    const path = new PathUnderTest(carries(mtu));
    path.run(MINUTE);
    t.is(path.discovery.state, 'searchComplete', String(mtu));
    t.true(path.discovery.pathMtu <= mtu && path.discovery.pathMtu > mtu - 8, `${mtu}: ${path.discovery.pathMtu}`);
    t.true(path.told.every(({ size }) => size <= mtu));
  }
});

test('a path that narrows while it is used falls back within three seconds', (t) => {
  const path = new PathUnderTest(carries((at) => (at <= 10 * SECOND ? 1500 : 1300)));
  path.sendLarge(SECOND);
  path.run(10 * SECOND);
  t.is(path.discovery.pathMtu, 1500);
  path.run(13 * SECOND);
  t.is(path.discovery.pathMtu, 1280);
  path.run(MINUTE);
  t.true(path.discovery.pathMtu > 1292 && path.discovery.pathMtu <= 1300);
});

test('a path that narrows below 1280 bytes while it is used is left for 576 within three seconds', (t) => {
  const path = new PathUnderTest(carries((at) => (at <= 10 * SECOND ? 1500 : at < MINUTE ? 1200 : 1500)));
  path.sendLarge(SECOND);
  path.run(10 * SECOND);
  t.is(path.discovery.pathMtu, 1500);
  path.run(13 * SECOND);
  t.is(path.discovery.state, 'error');
  t.is(path.discovery.pathMtu, 576);
  path.run(MINUTE + 3 * SECOND);
  t.is(path.discovery.pathMtu, 1500);
});

test('a path that nobody relies on is left alone', (t) => {
  const path = new PathUnderTest(carries(1500));
  path.run(MINUTE);
  const sent = path.probesSent;
  path.run(MINUTE + 10 * PMTU_RAISE_TIMER_MS);
  t.is(path.probesSent, sent);
});

test('a path in use that becomes a jumbo path is found out when the raise timer ends', (t) => {
  const path = new PathUnderTest(carries((at) => (at < MINUTE ? 1500 : 9000)));
  path.sendLarge(5 * SECOND);
  path.run(MINUTE);
  t.is(path.discovery.pathMtu, 1500);
  path.run(MINUTE + PMTU_RAISE_TIMER_MS);
  t.is(path.discovery.pathMtu, 9000);
});

test('a path that does not even carry 1280 bytes gets 576, and what it carries once it does', (t) => {
  const path = new PathUnderTest(carries((at) => (at < MINUTE ? 1000 : 1500)));
  path.run(4 * SECOND);
  t.is(path.discovery.state, 'error');
  t.is(path.discovery.pathMtu, 576);
  path.run(MINUTE + 3 * SECOND);
  t.is(path.discovery.pathMtu, 1500);
});

test('an outage during the search is no reason to stay small', (t) => {
  const path = new PathUnderTest((size, at) =>
    at > 0 && at < 30 * SECOND ? undefined : size <= 1500 ? 20 : undefined,
  );
  path.run(30 * SECOND + 3 * SECOND);
  t.is(path.discovery.pathMtu, 1500);
});

test('an answer that comes later than the probe timer counts all the same', (t) => {
  const path = new PathUnderTest(carries(1500, 2500));
  path.run(2500);
  t.is(path.discovery.pathMtu, 1500);
  path.run(MINUTE);
  t.is(path.discovery.pathMtu, 1500);
});

test('what a path carried when it was last used counts at once, and is given up when it is not confirmed', (t) => {
  const same = new PathUnderTest(carries(1400), 1396);
  t.deepEqual(same.told, [{ at: 0, size: 1396 }]);
  same.run(MINUTE);
  t.true(same.told.every(({ size }) => size >= 1396));
  const narrower = new PathUnderTest(carries(1300), 1396);
  narrower.run(3 * SECOND);
  t.is(narrower.discovery.pathMtu, 1280);
});

test('answers to probes that were never sent change nothing', (t) => {
  const path = new PathUnderTest(() => undefined);
  for (let id = 100; id < 1000; id++) path.discovery.acknowledged(id, 0);
  t.is(path.discovery.pathMtu, 1280);
  t.is(path.discovery.state, 'base');
});
