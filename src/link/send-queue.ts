import { MAX_QUEUED_BYTES, MAX_QUEUED_FRAMES } from './constants.ts';

/** One frame's message. */
export interface Entry {
  readonly frame: Uint8Array;
  readonly request: boolean;
}

/**
 * Frames that wait behind the one in flight. When it is full the oldest request goes first: its sender repeats it end to
 * end (RFC 6940 s6.2.1), whereas an answer is made once.
 */
export class SendQueue {
  private entries: Entry[] = [];
  private bytes = 0;
  /** Frames that were never sent. */
  dropped = 0;

  get length(): number {
    return this.entries.length;
  }

  push(frame: Uint8Array, request: boolean): void {
    this.entries.push({ frame, request });
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
    const entry = this.entries.shift();
    this.bytes -= entry?.frame.length ?? 0;
    return entry?.frame;
  }
}
