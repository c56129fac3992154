import test from 'ava';
import { HostWatch } from '../../../src/sip/host-watch.ts';
import { type SipFlow, udpFlow } from '../../../src/sip/flow.ts';

type Done = (isThere: boolean, now: number) => void;

function flowTo(number: number): SipFlow {
  const local = { address: '198.18.0.1', port: 5062 };
  return udpFlow({ local, remote: { address: `198.18.1.${number}`, port: 5062 } });
}

const BOB = flowTo(1);

/** A watch, what it asks of links and overlay, and whom it gives up. */
class Bench {
  isLinked = true;
  isWaiting = true;
  hasAnswered = true;
  /** Undefined: no answer. */
  echoAnswer: boolean | undefined;
  readonly echoes: number[] = [];
  readonly reached: Done[] = [];
  readonly gone: string[] = [];
  readonly watch = new HostWatch({
    ports: {
      isWaiting: () => this.isWaiting,
      isLinked: () => this.isLinked,
      hasAnswered: () => this.hasAnswered,
      echo: (_, now, done) => {
        this.echoes.push(now);
        if (this.echoAnswer !== undefined) done(this.echoAnswer, now);
      },
      reach: (_, __, done) => void this.reached.push(done),
      gone: (flow, now) => void this.gone.push(`${flow.remote.address} ${now}`),
    },
  });

  run(until: number): void {
    for (let at = this.watch.nextTimeout(); at !== undefined && at <= until; at = this.watch.nextTimeout())
      this.watch.handleTimeout(at);
  }
}

test('a linked host that says nothing, neither SIP nor echoes, is gone after 4.5 s', (t) => {
  const bench = new Bench();
  bench.watch.sent(BOB, 0);
  bench.run(60_000);
  t.deepEqual(bench.gone, ['198.18.1.1 4500']);
  t.deepEqual(bench.echoes, [500, 1_500, 2_500, 3_500]);
  t.is(bench.watch.size, 0);
});

test('a host that answers echoes is waited for as long as anything waits for it', (t) => {
  const bench = new Bench();
  bench.echoAnswer = true;
  bench.watch.sent(BOB, 0);
  bench.run(60_000);
  t.deepEqual(bench.gone, []);
  bench.isWaiting = false;
  bench.run(62_000);
  t.is(bench.watch.size, 0);
  t.is(bench.watch.nextTimeout(), undefined);
});

test('a host that answers by SIP is not asked, until it is silent again', (t) => {
  const bench = new Bench();
  bench.watch.sent(BOB, 0);
  bench.run(600);
  bench.watch.heard(BOB, 1_400);
  bench.run(1_600);
  t.deepEqual(bench.echoes, [500]);
  bench.run(60_000);
  t.deepEqual(bench.gone, ['198.18.1.1 5500']);
});

test('echoes that could not be sent say nothing of a host', (t) => {
  const bench = new Bench();
  bench.echoAnswer = false;
  bench.watch.sent(BOB, 0);
  bench.run(60_000);
  t.deepEqual(bench.gone, []);
});

test('a host without a link is gone as soon as the overlay has none to it, and is waited for while it is looked for', (t) => {
  const bench = new Bench();
  bench.isLinked = false;
  bench.watch.sent(BOB, 0);
  bench.run(9_000);
  t.is(bench.reached.length, 1);
  t.deepEqual(bench.gone, []);
  bench.reached[0]?.(false, 9_100);
  t.deepEqual(bench.gone, ['198.18.1.1 9100']);
  t.is(bench.watch.size, 0);
});

test('a host that does not answer the overlay is gone after 5.5 s, whatever comes of it later', (t) => {
  const bench = new Bench();
  bench.isLinked = false;
  bench.hasAnswered = false;
  bench.watch.sent(BOB, 0);
  bench.run(60_000);
  bench.reached[0]?.(false, 60_000);
  t.deepEqual(bench.gone, ['198.18.1.1 5500']);
});

test('a host whose link comes up is asked on it from then on', (t) => {
  const bench = new Bench();
  bench.isLinked = false;
  bench.watch.sent(BOB, 0);
  bench.run(2_000);
  bench.isLinked = true;
  bench.reached[0]?.(true, 2_000);
  bench.run(60_000);
  t.deepEqual(bench.gone, ['198.18.1.1 6500']);
});

test('what the overlay says of a host that has answered meanwhile and was forgotten ends nothing', (t) => {
  const bench = new Bench();
  bench.isLinked = false;
  bench.watch.sent(BOB, 0);
  bench.run(600);
  bench.isWaiting = false;
  bench.run(3_000);
  bench.isWaiting = true;
  bench.watch.sent(BOB, 3_000);
  bench.reached[0]?.(false, 3_100);
  t.deepEqual(bench.gone, []);
});

test('no more than 256 hosts are watched at a time', (t) => {
  const bench = new Bench();
  for (let i = 0; i < 300; i++) bench.watch.sent(flowTo(i), 0);
  t.is(bench.watch.size, 256);
});
