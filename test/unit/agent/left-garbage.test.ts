import { mock } from 'node:test';
import test from 'ava';
import { LeftGarbage } from '../../../src/agent/left-garbage.ts';

/** With what V8 was told, and when; in seconds. */
function scene(): {
  told: string[];
  garbage: LeftGarbage;
  collected: () => void;
  pass: (seconds: number, utilization: number, handshakes?: number) => void;
} {
  let [seconds, handshakes, utilization] = [0, 0, 0];
  let collected = (): void => {};
  const told: string[] = [];
  const garbage = new LeftGarbage({
    handshakes: () => BigInt(handshakes),
    utilization: () => utilization,
    collect: (on) => told.push(`${on ? 'on' : 'off'} at ${seconds}`),
    onCollected: (done) => {
      collected = done;
      return () => {};
    },
  });
  return {
    told,
    garbage,
    collected: () => collected(),
    pass: (more, busy, each = 0) => {
      utilization = busy;
      for (let i = 0; i < more; i++) {
        seconds += 1;
        handshakes += each;
        if (each > 0) garbage.stirred();
        mock.timers.tick(1_000);
      }
    },
  };
}

test.before(() => mock.timers.enable({ apis: ['setTimeout'] }));
test.after(() => mock.timers.reset());

test.serial('after many handshakes garbage is collected once the event loop rests, for a while, and not again', (t) => {
  const { told, pass, collected } = scene();
  pass(30, 0.6, 50);
  pass(10, 0.3);
  t.deepEqual(told, []);
  pass(100, 0.01);
  t.is(told.length, 2, told.join());
  t.regex(told[0] ?? '', /^on at 4\d$/);
  t.regex(told[1] ?? '', /^off at 6\d$/);
  pass(30, 0.6, 50);
  pass(5, 0.01);
  t.is(told.length, 3);
  collected();
  t.is(told.length, 4, 'V8 has done it');
  pass(100, 0.01);
  t.is(told.length, 4);
});

test.serial('a few handshakes change nothing, nor does anything else that comes', (t) => {
  const { told, pass, garbage } = scene();
  pass(5, 0.01, 50);
  pass(100, 0.01);
  for (let i = 0; i < 20; i++) {
    garbage.stirred();
    pass(10, 0.01);
  }
  t.deepEqual(told, []);
});

test.serial('it ends when there is something to do again, and when the agent stops', (t) => {
  const first = scene();
  first.pass(10, 0.6, 50);
  first.pass(6, 0.01);
  first.pass(6, 0.5);
  t.deepEqual(
    first.told.map((line) => line.split(' ', 1)[0]),
    ['on', 'off'],
  );
  const second = scene();
  second.pass(10, 0.6, 50);
  second.pass(6, 0.01);
  t.is(second.told.length, 1);
  second.garbage.stop();
  t.is(second.told.length, 2);
});
