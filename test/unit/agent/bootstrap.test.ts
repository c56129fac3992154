import test from 'ava';
import { Bootstrap } from '../../../src/agent/bootstrap.ts';
import { seededRandom } from '../../../src/base/random.ts';

const A = { address: '192.0.2.1', port: 6084 };
const B = { address: '2001:db8::1', port: 6084 };

const C = { address: '192.0.2.3', port: 6084 };

function setUp(patient = false): { tried: { address: string; now: number }[]; bootstrap: Bootstrap } {
  const tried: { address: string; now: number }[] = [];
  const connect = (remote: { address: string }, now: number): void => {
    tried.push({ address: remote.address, now });
  };
  return { tried, bootstrap: new Bootstrap({ connect, random: seededRandom(1) }, { patient }) };
}

function runUntil(bootstrap: Bootstrap, end: number): void {
  for (let next = bootstrap.nextTimeout(); next !== undefined && next <= end; next = bootstrap.nextTimeout())
    bootstrap.handleTimeout(next);
}

test('the first address is tried at once, the others shortly after', (t) => {
  const { tried, bootstrap } = setUp();
  bootstrap.start([A, B], 1000);
  runUntil(bootstrap, 1050);
  t.deepEqual(tried, [
    { address: A.address, now: 1000 },
    { address: B.address, now: 1025 },
  ]);
});

test('rounds without success follow each other quickly at first, then ever slower, but go on', (t) => {
  const { tried, bootstrap } = setUp();
  bootstrap.start([A], 0);
  runUntil(bootstrap, 600_000);
  const gaps = tried.slice(1).map(({ now }, i) => now - (tried[i]?.now ?? 0));
  t.true(tried.filter(({ now }) => now < 30_000).every((_, i) => (gaps[i] ?? 0) < 600));
  // Whoever was away for two minutes tries again within four seconds.
  t.true(tried.filter(({ now }) => now < 120_000).every((_, i) => (gaps[i] ?? 0) < 4_000));
  t.true(gaps.every((gap) => gap < 20_000));
  t.true(tried.length < 200);
});

test('nothing is tried after a link is up', (t) => {
  const { tried, bootstrap } = setUp();
  bootstrap.start([A, B], 0);
  bootstrap.stop();
  t.is(bootstrap.nextTimeout(), undefined);
  t.is(tried.length, 1);
  t.false(bootstrap.trying);
});

test('without any address there is nothing to wait for', (t) => {
  const { bootstrap } = setUp();
  bootstrap.start([], 0);
  t.is(bootstrap.nextTimeout(), undefined);
});

test("of a ticket's addresses the next one is tried only when the first had time to answer, late timers or not", (t) => {
  const { tried, bootstrap } = setUp(true);
  bootstrap.start([A, B, C], 0);
  t.is(bootstrap.nextTimeout(), 250);
  bootstrap.handleTimeout(900);
  t.deepEqual(tried, [
    { address: A.address, now: 0 },
    { address: B.address, now: 900 },
  ]);
  t.is(bootstrap.nextTimeout(), 1150);
});

test('an address that is found is tried at once between two rounds, else in its turn', (t) => {
  const { tried, bootstrap } = setUp();
  bootstrap.start([A, B], 0);
  bootstrap.add(C, 1);
  runUntil(bootstrap, 100);
  t.deepEqual(tried, [
    { address: A.address, now: 0 },
    { address: B.address, now: 25 },
    { address: C.address, now: 50 },
  ]);
  bootstrap.add(C, 101);
  t.deepEqual(tried[3], { address: C.address, now: 101 });
});

test('while a link may be the way in, nobody who is found is called; when it is not, he is', (t) => {
  for (const known of [[A], []]) {
    const { tried, bootstrap } = setUp();
    bootstrap.start(known, 0);
    runUntil(bootstrap, 100);
    bootstrap.rest(100);
    bootstrap.add(C, 101);
    runUntil(bootstrap, 349);
    t.false(tried.some(({ address }) => address === C.address));
    runUntil(bootstrap, 1_000);
    t.true(tried.some(({ address }) => address === C.address));
  }
});

test('a stream is tried 400 ms after the first address, however many there are, and at once when there is nothing else', (t) => {
  const stream = { address: '6000::ffff:c000:201', port: 443 };
  for (const patient of [true, false])
    for (const many of [1, 2, 8]) {
      const { tried, bootstrap } = setUp(patient);
      const addresses = Array.from({ length: many }, (_, i) => ({ ...A, address: `192.0.2.${1 + i}` }));
      bootstrap.start([...addresses, stream], 1000);
      runUntil(bootstrap, 5000);
      const at = tried.filter(({ address }) => address === stream.address).map(({ now }) => now);
      t.is(at[0], 1400);
      // In each round but the second, when rounds are shorter than 400 ms, and the last, which is under way.
      t.true(at.length >= tried.filter(({ address }) => address === A.address).length - 2);
    }
  const other = setUp();
  other.bootstrap.start([stream], 1000);
  t.deepEqual(other.tried, [{ address: stream.address, now: 1000 }]);
});

test('where an address answers within 400 ms no stream is tried, unless it is no way in', (t) => {
  const stream = { address: '6000::ffff:c000:201', port: 443 };
  const { tried, bootstrap } = setUp(true);
  bootstrap.start([A, stream], 1000);
  runUntil(bootstrap, 1300);
  bootstrap.rest(1300, 5000);
  runUntil(bootstrap, 6299);
  t.false(tried.some(({ address }) => address === stream.address));
  runUntil(bootstrap, 6300);
  t.true(tried.some(({ address }) => address === stream.address));
  bootstrap.stop();
  t.is(bootstrap.nextTimeout(), undefined);
});
