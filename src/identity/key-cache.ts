import type { KeyObject } from 'node:crypto';

/** Of those that would take the place of another one, one in so many does. */
const REPLACES_ONE_IN = 8;

/**
 * Public keys that were read, by their bytes. A key is an object outside the heap: let go of at once it costs nothing to speak of,
 * but many that have grown old here are let go of in long pauses of the garbage collector (15 ms for some hundred). So it is kept
 * when it is used the second time, and where all places are taken it seldom takes the oldest one's: a flood of values of many
 * signers exchanges few, and a key that is used often is soon among them. None is put in its place again when it is used, since
 * large tables would be made anew all the time.
 */
export class KeyCache {
  private readonly capacity: number;
  private readonly kept = new Map<string, KeyObject>();
  private readonly seenOnce = new Set<string>();
  private turnedAway = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get(name: string): KeyObject | undefined {
    return this.kept.get(name);
  }

  /** It was not there, and has been read. */
  add(name: string, key: KeyObject): void {
    if (!this.seenOnce.delete(name)) {
      dropOldest(this.seenOnce, this.capacity);
      this.seenOnce.add(name);
      return;
    }
    if (this.kept.size >= this.capacity) {
      this.turnedAway = (this.turnedAway + 1) % REPLACES_ONE_IN;
      if (this.turnedAway !== 0) return;
    }
    dropOldest(this.kept, this.capacity);
    this.kept.set(name, key);
  }
}

/** Makes room for one more. */
function dropOldest(from: Map<string, unknown> | Set<string>, capacity: number): void {
  if (from.size < capacity) return;
  const [oldest] = from.keys();
  if (oldest !== undefined) from.delete(oldest);
}
