import { setFlagsFromString } from 'node:v8';

/** Everything is loaded by then, and whatever an agent does in its first seconds is done. */
const STARTED_MS = 5_000;

/**
 * An agent decides a few things a second: V8 optimizes no code while it starts, since that costs more than it saves by then.
 * Not said on the command line: with other flags V8 refuses the code that was compiled ahead, Node's own too, and the start
 * takes a third longer. `--optimize-for-size` is no help: a third of the memory of idle links, but pauses of 20 ms where
 * others' data is stored.
 */
export function spareWhileStarting(): void {
  setFlagsFromString('--no-maglev');
  setFlagsFromString('--no-turbofan');
  setTimeout(() => {
    setFlagsFromString('--maglev');
    setFlagsFromString('--turbofan');
  }, STARTED_MS).unref();
}
