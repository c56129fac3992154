import test from 'ava';
import { Bootstrap } from '../../../src/agent/bootstrap.ts';
import { seededRandom } from '../../../src/base/random.ts';

const A = { address: '192.0.2.1', port: 6084 };
const B = { address: '2001:db8::1', port: 6084 };

function setUp(): { tried: { address: string; now: number }[]; bootstrap: Bootstrap } {
  const tried: { address: string; now: number }[] = [];
  const connect = (remote: { address: string }, now: number): void => {
    tried.push({ address: remote.address, now });
  };
  return { tried, bootstrap: new Bootstrap({ connect, random: seededRandom(1) }) };
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
  t.true(gaps.every((gap) => gap < 20_000));
  t.true(tried.length < 150);
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
