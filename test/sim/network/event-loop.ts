import { TimerQueue } from '../../../src/base/timer-queue.ts';

interface Entry {
  readonly at: number;
  readonly run: () => void;
}

/** Virtual time: callbacks in the order of their times, equal times in the order they were asked for. */
export class EventLoop {
  private time = 0;
  private readonly queue = new TimerQueue<Entry>();

  /** Milliseconds since the simulation started. */
  get now(): number {
    return this.time;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.time + Math.max(0, delayMs), run);
  }

  at(time: number, run: () => void): void {
    const entry = { at: Math.max(time, this.time), run };
    this.queue.set(entry, entry.at);
  }

  /** Runs everything up to `ms` from now; time then stands there. */
  run(ms: number): void {
    const end = this.time + ms;
    while (this.step(end));
    this.time = end;
  }

  /**
   * Runs until `done` holds after some callback.
   * @returns whether it did within `limitMs`.
   */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const end = this.time + limitMs;
    while (!done()) {
      if (this.step(end)) continue;
      this.time = end;
      return false;
    }
    return true;
  }

  /** @returns false when nothing is due before `end`. */
  private step(end: number): boolean {
    const entry = this.queue.due(end);
    if (entry === undefined) return false;
    this.time = entry.at;
    entry.run();
    return true;
  }
}
