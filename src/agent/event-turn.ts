import type { Clock } from '../base/clock.ts';
import type { DataPlane, DataPlaneEvent } from '../native/data-plane.ts';

// Implementation constants.

/**
 * What the data plane has to say costs a few microseconds or several signatures, and who sends it may want us to be late. The
 * last event, the timers that are due and a pause of the garbage collector come on top, and all of it is to take less than 10 ms.
 */
export const TURN_MS = 2;
const EVENTS_PER_TURN = 64;

/**
 * One turn of the event loop with the events of the data plane: as many as it has time for. The data plane wakes us again for
 * the rest, so that timers and programs have their turn in between.
 * @returns whether there may be more.
 */
export function takeTurn(
  dataPlane: Pick<DataPlane, 'drain'>,
  clock: Pick<Clock, 'monotonic'>,
  now: number,
  handle: (event: DataPlaneEvent, now: number) => void,
): boolean {
  for (let taken = 0, at = now; taken < EVENTS_PER_TURN && at < now + TURN_MS; taken++) {
    const [event] = dataPlane.drain(1);
    if (event === undefined) return false;
    handle(event, at);
    at = clock.monotonic();
  }
  return true;
}
