import { setFlagsFromString } from 'node:v8';

/** Everything is loaded by then, and whatever an agent does in its first seconds is done. */
const STARTED_MS = 5_000;

/**
 * An agent decides a few things a second: from its start on, V8 collects garbage when there is nothing else to do (a link
 * needs half as much then). Not from the beginning: with this flag, V8 refuses the code that was compiled ahead, Node's own
 * too, and the start takes a third longer.
 */
export function keepHeapSmall(): void {
  setTimeout(() => setFlagsFromString('--optimize-for-size'), STARTED_MS).unref();
}
