import { setImmediate as nextTurn } from 'node:timers/promises';

/** Each takes some tens of microseconds. */
const PER_TURN = 32;

/** `map` of each, of many only some in one turn of the event loop: calls, timers and other clients have theirs in between. */
export async function inSlices<T, R>(items: Iterable<T>, map: (item: T) => R): Promise<R[]> {
  const done: R[] = [];
  for (const item of items) {
    if (done.length > 0 && done.length % PER_TURN === 0) await nextTurn();
    done.push(map(item));
  }
  return done;
}
