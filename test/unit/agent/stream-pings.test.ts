import test from 'ava';
import { StreamPings } from '../../../src/agent/stream-pings.ts';
import { seededRandom } from '../../../src/base/random.ts';

const PONG = Buffer.from('\r\n');

interface Bench {
  readonly pings: StreamPings;
  readonly log: string[];
  readonly run: (ms: number) => void;
}

/** With a clock that only `run` moves. */
function bench(onPing: (bench: Bench) => void = () => undefined): Bench {
  let now = 0;
  let timers: { at: number; then: () => void }[] = [];
  const log: string[] = [];
  const guard = {
    after: (_: string, ms: number, then: () => void) => {
      const timer = { at: now + ms, then };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
  };
  const made: Bench = {
    log,
    pings: new StreamPings(
      { guard, random: seededRandom(5626) },
      {
        ping: () => {
          log.push(`ping ${Math.round(now / 1_000)}`);
          onPing(made);
        },
        dead: () => log.push(`dead ${Math.round(now / 1_000)}`),
      },
    ),
    run: (ms) => {
      const end = now + ms;
      for (;;) {
        const [next] = timers.toSorted((a, b) => a.at - b.at);
        if (next === undefined || next.at > end) break;
        now = next.at;
        timers = timers.filter((other) => other !== next);
        next.then();
      }
      now = end;
    },
  };
  return made;
}

test('a server that answers is pinged every 96 to 120 s, and lives', (t) => {
  const { log, run } = bench(({ pings }) => pings.heard(PONG));
  run(3_600_000);
  t.true(log.length >= 30 && log.length <= 37, String(log.length));
  t.true(log.every((line) => line.startsWith('ping')));
});

test('one that has answered and answers no more is dead ten seconds later', (t) => {
  let answers = 2;
  const { log, run } = bench(({ pings }) => {
    if (answers-- > 0) pings.heard(PONG);
  });
  run(600_000);
  const [, , last = '', dead = ''] = log;
  t.is(log.length, 4);
  t.is(Number(dead.split(' ')[1]) - Number(last.split(' ')[1]), 10);
  t.true(dead.startsWith('dead'));
});

test('one that never answers pings, but says something else just then, is believed to live', (t) => {
  let messages = 2;
  const { log, run } = bench(({ pings }) => {
    if (messages-- > 0) pings.heard(Buffer.from('OPTIONS sip:a@b SIP/2.0\r\n'));
  });
  run(3_600_000);
  t.true(log.every((line) => line.startsWith('ping')));
});

test('one that never answers pings is believed to live', (t) => {
  const { log, run } = bench();
  run(3_600_000);
  t.true(log.length > 20 && log.every((line) => line.startsWith('ping')), log.join());
});

test('once stopped nothing is asked', (t) => {
  const { log, pings, run } = bench();
  pings.stop();
  run(3_600_000);
  t.deepEqual(log, []);
});
