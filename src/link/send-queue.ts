import { MAX_QUEUED_BYTES, MAX_QUEUED_FRAMES } from './constants.ts';

/** What a frame carries. */
export interface Cargo {
  readonly request: boolean;
  /** Of the storage: what keeps the ring and its links goes before it. */
  readonly storage: boolean;
}

/** One frame's message. */
export interface Entry extends Cargo {
  readonly frame: Uint8Array;
}

/** Of so many frames in a row one is the oldest, whatever it carries: nothing waits for ever. */
const OLDEST_EACH = 4;

/**
 * Frames that wait behind those in flight. When it is full the oldest request goes first: its sender repeats it end to
 * end (RFC 6940 s6.2.1), whereas an answer is made once.
 *
 * A few frames are under way at once: without an order a newcomer would wait for all the copies that are made because
 * others came before it.
 */
export class SendQueue {
  private entries: Entry[] = [];
  private bytes = 0;
  private taken = 0;
  /** Frames that were never sent. */
  dropped = 0;

  get length(): number {
    return this.entries.length;
  }

  push(frame: Uint8Array, { request, storage }: Cargo): void {
    this.entries.push({ frame, request, storage });
    this.bytes += frame.length;
    while (this.entries.length > MAX_QUEUED_FRAMES || this.bytes > MAX_QUEUED_BYTES) {
      const oldest = this.entries.findIndex((entry) => entry.request);
      const [gone] = this.entries.splice(Math.max(0, oldest), 1);
      this.bytes -= gone?.frame.length ?? 0;
      this.dropped += 1;
    }
  }

  /** Everything, oldest first. */
  takeAll(): readonly Entry[] {
    const { entries } = this;
    this.entries = [];
    this.bytes = 0;
    return entries;
  }

  shift(): Uint8Array | undefined {
    this.taken += 1;
    const first = this.taken % OLDEST_EACH === 0 ? 0 : this.entries.findIndex(({ storage }) => !storage);
    const [entry] = this.entries.splice(Math.max(0, first), 1);
    this.bytes -= entry?.frame.length ?? 0;
    return entry?.frame;
  }
}
