import test from 'ava';
import { AbsentHosts } from '../../../src/sip/absent-hosts.ts';

type Done = (isThere: boolean, now: number) => void;

const BOB = '2001:20::b';

/** Hosts that were found gone, and what is asked of their links and of the overlay. */
class Bench {
  isLinked = false;
  isJoined = true;
  readonly echoes: { at: number; done: Done }[] = [];
  readonly reached: { at: number; done: Done }[] = [];
  readonly hosts = new AbsentHosts({
    ports: {
      isJoined: () => this.isJoined,
      isLinked: () => this.isLinked,
      echo: (_, at, done) => void this.echoes.push({ at, done }),
      reach: (_, at, done) => void this.reached.push({ at, done }),
    },
  });

  /** Each question is answered at once. */
  run(until: number, isThere = false): void {
    for (let at = this.hosts.nextTimeout(); at !== undefined && at <= until; at = this.hosts.nextTimeout()) {
      this.hosts.handleTimeout(at);
      for (const { done } of [...this.echoes, ...this.reached]) done(isThere, at);
    }
  }
}

test('a host that was found gone is absent for ten minutes, and nobody else is', (t) => {
  const { hosts } = new Bench();
  const bench = new Bench();
  t.false(bench.hosts.isAbsent(BOB, undefined, 0));
  bench.hosts.gone(BOB, 0);
  t.true(bench.hosts.isAbsent(BOB, undefined, 1));
  t.false(bench.hosts.isAbsent('2001:20::c', undefined, 1));
  bench.run(599_000);
  t.true(bench.hosts.isAbsent(BOB, undefined, 599_000));
  bench.run(601_000);
  t.false(bench.hosts.isAbsent(BOB, undefined, 601_000));
  t.is(bench.hosts.nextTimeout(), undefined);
  t.is(hosts.size, 0);
});

test('a host without a link is asked for in the overlay, more and more seldom, and soon after a call; it is back as soon as there is a way', (t) => {
  const bench = new Bench();
  bench.hosts.gone(BOB, 0);
  bench.run(180_000);
  t.deepEqual(
    bench.reached.map(({ at }) => at),
    [4_000, 8_000, 16_000, 32_000, 64_000, 124_000],
  );
  t.true(bench.hosts.isAbsent(BOB, undefined, 180_500));
  bench.run(182_600);
  t.is(bench.reached.at(-1)?.at, 182_500);
  t.is(bench.hosts.size, 1);
  bench.run(300_000, true);
  t.is(bench.hosts.size, 0);
});

test('a host whose link was silent is back when that link answers an echo, or another one is made', (t) => {
  for (const isAnswered of [true, false]) {
    const bench = new Bench();
    bench.isLinked = true;
    bench.hosts.gone(BOB, 0);
    bench.run(10_000);
    t.is(bench.echoes.length, 5);
    t.true(bench.hosts.isAbsent(BOB, undefined, 10_000));
    if (isAnswered) bench.run(12_000, true);
    else {
      bench.isLinked = false;
      bench.run(14_000);
      bench.isLinked = true;
    }
    t.false(bench.hosts.isAbsent(BOB, undefined, 14_001));
  }
});

test('a host without a link is back as soon as it is linked, whoever made the link', (t) => {
  const bench = new Bench();
  bench.hosts.gone(BOB, 0);
  t.true(bench.hosts.isAbsent(BOB, undefined, 100));
  bench.isLinked = true;
  t.false(bench.hosts.isAbsent(BOB, undefined, 200));
});

test('a host that has written its record anew is back, by whatever clock; one whose record is the same is not', (t) => {
  const bench = new Bench();
  bench.hosts.isAbsent(BOB, 7_000, 0);
  bench.hosts.gone(BOB, 10);
  t.true(bench.hosts.isAbsent(BOB, 7_000, 20));
  t.true(bench.hosts.isAbsent(BOB, undefined, 20));
  t.false(bench.hosts.isAbsent(BOB, 6_000, 30));
});

test('a host that is heard, and every host when this one has another network, is back; what was asked before ends nothing', (t) => {
  const bench = new Bench();
  bench.hosts.gone(BOB, 0);
  bench.hosts.handleTimeout(4_000);
  bench.hosts.back(BOB);
  t.false(bench.hosts.isAbsent(BOB, undefined, 4_001));
  bench.hosts.gone(BOB, 5_000);
  bench.reached[0]?.done(true, 5_100);
  t.true(bench.hosts.isAbsent(BOB, undefined, 5_200));
  bench.hosts.forgetAll();
  t.false(bench.hosts.isAbsent(BOB, undefined, 5_300));
  t.is(bench.hosts.nextTimeout(), undefined);
});

test('of a host that is not reached while this one is out of the overlay nothing is known, whatever was known before', (t) => {
  const bench = new Bench();
  bench.hosts.gone(BOB, 0);
  bench.isJoined = false;
  for (const host of [BOB, '2001:20::c']) {
    bench.hosts.gone(host, 1_000);
    t.false(bench.hosts.isAbsent(host, undefined, 1_001), host);
  }
  t.is(bench.hosts.nextTimeout(), undefined);
});

test('no more than 256 hosts are remembered', (t) => {
  const bench = new Bench();
  for (let number = 0; number < 300; number += 1) bench.hosts.gone(`2001:20::${number}`, number);
  t.is(bench.hosts.size, 256);
  t.false(bench.hosts.isAbsent('2001:20::0', undefined, 300));
});
