import test from 'ava';
import { Driver } from '../../../src/agent/driver.ts';
import { Guard } from '../../../src/agent/guard.ts';
import { MachineSet } from '../../../src/agent/machine-set.ts';
import type { Timed } from '../../../src/base/clock.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger, type LogFields } from '../../../src/base/logger.ts';

function watched(): { guard: Guard; logged: LogFields[] } {
  const logged: LogFields[] = [];
  const guard = new Guard({ logger: { ...silentLogger, error: (_event, fields = {}) => void logged.push(fields) } });
  return { guard, logged };
}

function bug(): never {
  throw new Error('a bug');
}

test('what a handler throws is counted and logged with its stack, and goes no further', (t) => {
  const { guard, logged } = watched();
  t.true(guard.run('fine', () => {}));
  t.false(guard.run('event', bug));
  t.is(guard.count, 1);
  t.is(logged.length, 1);
  t.is(logged[0]?.['in'], 'event');
  t.regex(String(logged[0]?.['stack']), /a bug\n +at bug .*guard\.test\.ts/);
});

test('what a handler of events or a timer throws ends that event, and the next one comes', async (t) => {
  const { guard, logged } = watched();
  const seen: number[] = [];
  const handle = guard.handler('socket', (event: number) => {
    seen.push(event);
    if (event === 1) bug();
  });
  handle(1);
  handle(2);
  t.deepEqual(seen, [1, 2]);
  guard.after('pause', 1, bug);
  guard.after('pause', 1, () => t.fail('it was called off'))();
  await new Promise<void>((resolve) => void guard.after('pause', 5, resolve));
  t.is(guard.count, 2);
  t.deepEqual(
    logged.map((fields) => fields['in']),
    ['socket', 'pause'],
  );
});

test('a bug that every packet meets does not fill the log, whatever it says each time; another one is logged', (t) => {
  const { guard, logged } = watched();
  for (let i = 0; i < 1000; i++)
    guard.run('event', () => {
      throw new Error(`packet ${i}`);
    });
  t.is(guard.count, 1000);
  t.is(logged.length, 5);
  guard.run('event', bug);
  t.is(logged.length, 6);
});

test('of machines driven as one, the one that throws rests for a second; the others go on', (t) => {
  const { guard } = watched();
  let broken = 0;
  let good = 0;
  const machine = (work: () => void): Timed => ({ nextTimeout: () => 0, handleTimeout: work });
  const machines = {
    broken: machine(() => {
      broken += 1;
      bug();
    }),
    good: machine(() => (good += 1)),
  };
  const set = new MachineSet({ guard, machines: () => machines });
  for (let now = 0; now < 1_000; now += 100) set.handleTimeout(now);
  t.deepEqual({ broken, good }, { broken: 1, good: 10 });
  set.handleTimeout(1_000);
  t.is(broken, 2);
  t.is(guard.count, 2);
  t.is(set.nextTimeout(), 0);
});

test('a machine whose timer throws is not driven in a hot loop', async (t) => {
  const { guard } = watched();
  const due: Timed = { nextTimeout: () => 0, handleTimeout: bug };
  const driver = new Driver(due, systemClock, guard);
  driver.run(() => {});
  await new Promise((resolve) => setTimeout(resolve, 100));
  driver.stop();
  t.is(guard.count, 1);
});

test('an input that throws is told to whoever asked, and to nobody when nobody did', (t) => {
  const { guard } = watched();
  const idle: Timed = { nextTimeout: () => undefined, handleTimeout: () => {} };
  const driver = new Driver(idle, systemClock, guard);
  t.throws(() => driver.run(bug), { message: 'a bug' });
  t.false(driver.feed('data plane', bug));
  t.is(guard.count, 1);
});
