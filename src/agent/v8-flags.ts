import { setFlagsFromString } from 'node:v8';

/** Everything is loaded by then, and whatever an agent does in its first seconds is done. */
const STARTED_MS = 5_000;

/**
 * V8's flags for a process that decides a few things a second and may not pause.
 *
 * The young generation is collected also while the old one is being marked. V8's default waits until that has ended: under
 * load the young one grew to five times its size meanwhile, and all that survived was copied in one pause, 8 to 19 ms where
 * 10,000 values are stored; 3 to 5 ms so.
 *
 * No code is optimized while it starts: that costs more than it saves by then.
 *
 * Not said on the command line: with other flags V8 refuses the code that was compiled ahead, Node's own too, and the start
 * takes a third longer. `--optimize-for-size` is no help: a third of the memory of idle links, but pauses of 20 ms where
 * others' data is stored.
 */
export function setV8Flags(): void {
  setFlagsFromString('--no-separate-gc-phases');
  setFlagsFromString('--no-maglev');
  setFlagsFromString('--no-turbofan');
  setTimeout(() => {
    setFlagsFromString('--maglev');
    setFlagsFromString('--turbofan');
  }, STARTED_MS).unref();
}
