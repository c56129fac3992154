import test from 'ava';
import type { Clock } from '../../../src/base/clock.ts';
import { MAX_CACHED_LOOKUPS, MAX_PENDING_LOOKUPS } from '../../../src/dns/constants.ts';
import { LookupCache } from '../../../src/dns/lookup-cache.ts';
import type { LookupAnswer, LookupKey, NameLookup } from '../../../src/dns/name-lookup.ts';

class FakeOverlay implements NameLookup {
  readonly asked: { name: string; done: (answer: LookupAnswer) => void }[] = [];
  lookupName(name: string, done: (answer: LookupAnswer) => void): void {
    this.asked.push({ name, done });
  }
  lookupHit(hit: string, done: (answer: LookupAnswer) => void): void {
    this.lookupName(hit, done);
  }
  lookupIpv4(address: string, done: (answer: LookupAnswer) => void): void {
    this.lookupName(address, done);
  }
}

const bobKey: LookupKey = { by: 'name', name: 'bob' };
const found: LookupAnswer = {
  status: 'found',
  hosts: [{ hit: '20010020000000000000000000000b0b', ipv4: undefined, name: 'bob' }],
};

function setUp() {
  const time = { now: 0 };
  const clock: Clock = { monotonic: () => time.now, wall: () => time.now };
  const overlay = new FakeOverlay();
  const cache = new LookupCache({ lookup: overlay, clock });
  const answers: string[] = [];
  const ask = (key: LookupKey = bobKey): void => cache.ask(key, (answer) => answers.push(answer.status));
  const advance = (to: number): void => {
    time.now = to;
    for (let at = cache.nextTimeout(); at !== undefined && at <= to; at = cache.nextTimeout()) cache.handleTimeout(to);
  };
  return { overlay, cache, answers, ask, advance };
}

test('five questions at once make one lookup, and its answer serves the next ones too', (t) => {
  const { overlay, answers, ask } = setUp();
  for (let i = 0; i < 5; i++) ask();
  t.is(overlay.asked.length, 1);
  overlay.asked[0]?.done(found);
  ask();
  t.deepEqual(answers, new Array<string>(6).fill('found'));
  t.is(overlay.asked.length, 1);
});

test('an absence is believed for a shorter time than a host', (t) => {
  const { overlay, ask, advance } = setUp();
  ask();
  overlay.asked[0]?.done({ status: 'absent' });
  advance(4_999);
  ask();
  t.is(overlay.asked.length, 1);
  advance(5_001);
  ask();
  t.is(overlay.asked.length, 2);
  overlay.asked[1]?.done(found);
  advance(20_000);
  ask();
  t.is(overlay.asked.length, 2);
  advance(20_002);
  ask();
  t.is(overlay.asked.length, 3);
});

test('a lookup that takes too long fails for the questions, and its late answer serves the next', (t) => {
  const { overlay, answers, ask, advance } = setUp();
  ask();
  advance(2_000);
  t.deepEqual(answers, ['failed']);
  ask();
  t.deepEqual(answers, ['failed', 'failed']);
  overlay.asked[0]?.done(found);
  ask();
  t.deepEqual(answers, ['failed', 'failed', 'found']);
  t.is(overlay.asked.length, 1);
});

test('a lookup that is never answered is begun anew after a while', (t) => {
  const { overlay, ask, advance } = setUp();
  ask();
  advance(2_000);
  advance(20_000);
  ask();
  t.is(overlay.asked.length, 2);
  overlay.asked[0]?.done({ status: 'absent' });
  overlay.asked[1]?.done(found);
});

test('the last known host is shown while the overlay cannot be asked', (t) => {
  const { overlay, answers, ask, advance } = setUp();
  ask();
  overlay.asked[0]?.done(found);
  advance(60_000);
  ask();
  overlay.asked[1]?.done({ status: 'failed', reason: 'no peer' });
  advance(62_000);
  ask();
  advance(64_000);
  t.deepEqual(answers, ['found', 'found', 'found']);
  advance(2 * 3_600_000);
  ask();
  overlay.asked.at(-1)?.done({ status: 'failed', reason: 'no peer' });
  t.is(answers.at(-1), 'failed');
});

test('lookups in progress and memories are bounded', (t) => {
  const { overlay, cache, answers, ask } = setUp();
  for (let i = 0; i < MAX_PENDING_LOOKUPS + 10; i++) ask({ by: 'name', name: `n${i}` });
  t.is(overlay.asked.length, MAX_PENDING_LOOKUPS);
  t.is(answers.length, 10);
  for (const { done } of overlay.asked) done({ status: 'absent' });
  for (let i = 0; i < 2 * MAX_CACHED_LOOKUPS; i++) {
    ask({ by: 'name', name: `m${i}` });
    overlay.asked.at(-1)?.done({ status: 'absent' });
  }
  t.is(cache.size, MAX_CACHED_LOOKUPS);
});
