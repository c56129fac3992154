import test from 'ava';
import { InterfaceKeeper } from '../../../src/agent/interface-keeper.ts';
import { IdlocError } from '../../../src/base/errors.ts';
import { silentLogger, type LogFields } from '../../../src/base/logger.ts';

/** Somebody takes things away; what is put back is a change again, as the kernel tells it. */
function world() {
  const lines: (LogFields | undefined)[] = [];
  const looks: number[] = [];
  let missing: string[] = [];
  let failure: Error | undefined;
  let now = 1_000;
  const keeper = new InterfaceKeeper({
    logger: { ...silentLogger, warn: (_event, fields) => void lines.push(fields) },
    putBack: () => {
      looks.push(now);
      if (failure !== undefined) throw failure;
      return missing.splice(0);
    },
  });
  return {
    keeper,
    lines,
    looks,
    fail: (error: Error | undefined) => void (failure = error),
    take: (...what: string[]) => {
      missing = what;
      keeper.changed(now);
      if (missing.length === 0) keeper.changed(now);
    },
    missing: () => missing,
    /** Time goes on, and timers run. */
    pass: (ms: number) => {
      for (const end = now + ms; now < end;) {
        now = Math.min(end, keeper.nextTimeout() ?? end);
        keeper.handleTimeout(now);
      }
    },
  };
}

test('what is missing is put back at once, with a line that says what it was', (t) => {
  const { keeper, take, lines, missing } = world();
  take('2001:20::b0b/28', 'unreachable 198.18.0.0/15');
  t.deepEqual(missing(), []);
  t.deepEqual(lines, [{ missing: '2001:20::b0b/28, unreachable 198.18.0.0/15', times: 1 }]);
  t.is(keeper.nextTimeout(), undefined);
});

test('a change that took nothing away says nothing', (t) => {
  const { take, lines, looks } = world();
  take();
  t.true(looks.length > 0);
  t.deepEqual(lines, []);
});

test('somebody who takes it away a hundred times a second: put back once a second, said once a minute', (t) => {
  const { take, pass, lines, looks, missing } = world();
  const seconds = 600;
  for (let i = 0; i < seconds * 100; i++) {
    take('198.18.0.9/15');
    pass(10);
  }
  t.true(looks.length <= seconds + 30, `looked ${looks.length} times`);
  t.true(lines.length <= seconds / 60 + 13, `${lines.length} lines`);
  t.true(lines.some((fields) => Number(fields?.['times']) > 20));
  // The last one is not forgotten.
  pass(1_500);
  t.deepEqual(missing(), []);
});

test('a few minutes later it is put back at once again', (t) => {
  const { take, pass, missing, lines } = world();
  for (let i = 0; i < 100; i++) take('198.18.0.9/15');
  pass(300_000);
  const before = lines.length;
  take('198.18.0.9/15');
  t.deepEqual(missing(), []);
  t.is(lines.length, before + 1);
});

test('what the kernel refuses once is there a second later', (t) => {
  const { take, pass, fail, missing } = world();
  fail(new IdlocError('EPERM', 'somebody has just taken the address away'));
  take('unreachable 198.18.0.0/15');
  fail(undefined);
  pass(1_000);
  t.deepEqual(missing(), []);
});

test('what the kernel refuses is said and tried again, less and less often, at the latest after ten seconds', (t) => {
  const { keeper, take, pass, fail, lines, missing } = world();
  fail(new IdlocError('EPERM', 'cannot give 198.18.0.9/15 to the interface idloc0'));
  take('198.18.0.9/15');
  t.deepEqual(lines, [{ err: 'cannot give 198.18.0.9/15 to the interface idloc0', times: 1 }]);
  pass(30_000);
  t.is(lines.length, 6);
  fail(undefined);
  pass(10_000);
  t.deepEqual(missing(), []);
  t.is(keeper.nextTimeout(), undefined);
});

test('a bug in the looking is thrown, and the next change is looked at', (t) => {
  const { keeper, take, fail, missing } = world();
  fail(new TypeError('a bug'));
  t.throws(() => take('198.18.0.9/15'), { message: 'a bug' });
  t.is(keeper.nextTimeout(), undefined);
  fail(undefined);
  take('198.18.0.9/15');
  t.deepEqual(missing(), []);
});
