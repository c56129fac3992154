import type { Guard } from './guard.ts';

/**
 * Each step in a turn of the event loop of its own, one after the other. Not by timers: one that is due when another has taken its time
 * is called in the same turn.
 * @returns what calls off those that are left
 */
export function turnByTurn(guard: Pick<Guard, 'run'>, what: string, steps: readonly (() => void)[]): () => void {
  let waiting: NodeJS.Immediate | undefined;
  const next = (left: readonly (() => void)[]): void => {
    const [step, ...others] = left;
    if (step === undefined) return;
    waiting = setImmediate(() => {
      // Whatever becomes of this one.
      next(others);
      guard.run(what, step);
    });
  };
  next(steps);
  return () => clearImmediate(waiting);
}
