import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { Guard } from '../../../src/agent/guard.ts';
import { turnByTurn } from '../../../src/agent/turn-by-turn.ts';
import { silentLogger } from '../../../src/base/logger.ts';

const STEP_MS = 3;

test('steps are taken in order, none in the turn that asks for them and one in each other, however long they take', async (t) => {
  const taken: number[] = [];
  const done = Promise.withResolvers<undefined>();
  const steps = [0, 1, 2, 3, 4].map((i) => (): void => {
    taken.push(i);
    for (const begun = performance.now(); performance.now() - begun < STEP_MS;);
    if (i === 4) done.resolve(undefined);
  });
  turnByTurn(new Guard({ logger: silentLogger }), 'steps', steps);
  t.deepEqual(taken, []);
  const perTurn: number[] = [];
  const count = (before: number): void => {
    perTurn.push(taken.length - before);
    if (taken.length < 5) setImmediate(count, taken.length);
  };
  setImmediate(count, 0);
  await done.promise;
  t.deepEqual(taken, [0, 1, 2, 3, 4]);
  t.true(Math.max(...perTurn) <= 1);
});

test('a step that throws is reported, and those after it are taken', async (t) => {
  const guard = new Guard({ logger: silentLogger });
  const done = Promise.withResolvers<undefined>();
  const broken = (): void => {
    throw new Error('broken');
  };
  turnByTurn(guard, 'steps', [broken, () => done.resolve(undefined)]);
  await done.promise;
  t.is(guard.count, 1);
});

test('steps that are called off are not taken, whenever that is', async (t) => {
  const guard = new Guard({ logger: silentLogger });
  const taken: number[] = [];
  turnByTurn(guard, 'steps', [() => void taken.push(0)])();
  const callOff: () => void = turnByTurn(guard, 'steps', [
    () => {
      taken.push(1);
      callOff();
    },
    () => void taken.push(2),
  ]);
  await delay(100);
  t.deepEqual(taken, [1]);
});
