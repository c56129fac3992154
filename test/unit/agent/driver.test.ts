import test from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import { Driver } from '../../../src/agent/driver.ts';
import { Guard } from '../../../src/agent/guard.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';

/** A machine that is due at once and only once, unless what it reads makes that needless. */
class Due {
  fired = 0;
  private at: number | undefined = 0;

  nextTimeout(): number | undefined {
    return this.at;
  }

  handleTimeout(): void {
    this.at = undefined;
    this.fired += 1;
  }

  answered(): void {
    this.at = undefined;
  }
}

function driverOf(machine: Due): Driver {
  return new Driver(machine, systemClock, new Guard({ logger: silentLogger }));
}

test('an answer that has come and is not read yet is read before the timer that waits for it', async (t) => {
  const machine = new Due();
  const driver = driverOf(machine);
  let turns = 0;
  driver.readFirst(() => {
    turns += 1;
    if (turns === 3) machine.answered();
    return turns < 3;
  });
  driver.run(() => undefined);
  while (turns < 3) await delay(1);
  await delay(5);
  driver.stop();
  t.is(turns, 3);
  t.is(machine.fired, 0);
});

test('what comes without end does not keep timers from their turn', async (t) => {
  const machine = new Due();
  const driver = driverOf(machine);
  let turns = 0;
  driver.readFirst(() => {
    turns += 1;
    return true;
  });
  driver.run(() => undefined);
  while (machine.fired === 0) await delay(1);
  driver.stop();
  t.true(turns > 1, `${turns} turns`);
});
