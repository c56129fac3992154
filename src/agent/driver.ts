import type { Clock, Timed } from '../base/clock.ts';
import type { Guard } from './guard.ts';

/** Longest that one `setTimeout` may be asked for. */
const MAX_DELAY_MS = 2 ** 31 - 1;
/** What was due when the machine threw may be due still: it is not asked again at once, and again, and again. */
const PAUSE_AFTER_ERROR_MS = 1_000;

/** Timers that are due wait so long for what has come and is not read: longer, and they would not keep anything. */
const INPUT_FIRST_MS = 20;
/** What took no longer was next to nothing. */
const SHORT_READ_MS = 0.5;

/**
 * The one timer of the agent: wakes a sans-IO machine when it asked to be woken. What has come is read first: where the host is
 * busy an answer would count as lost while it waits to be read, and what is sent again makes everyone busier.
 */
export class Driver {
  private readonly machine: Timed;
  private readonly clock: Clock;
  private readonly guard: Guard;
  private timer: NodeJS.Timeout | undefined;
  private armedFor: number | undefined;
  private notBefore = -Infinity;
  private input: ((now: number) => boolean) | undefined;
  /** Since then timers that are due wait for input. */
  private readingSince: number | undefined;
  private stopped = false;

  constructor(machine: Timed, clock: Clock, guard: Guard) {
    this.machine = machine;
    this.clock = clock;
    this.guard = guard;
  }

  /** Gives the machine an input with the time of now, then sets the timer anew. What the input throws is the caller's. */
  run<T>(input: (now: number) => T): T {
    try {
      return input(this.clock.monotonic());
    } finally {
      this.arm();
    }
  }

  /** As `run`, for what nobody waits for: what it throws is counted, and that is all. Nothing after `stop`. */
  feed(what: string, input: (now: number) => void): boolean {
    return this.stopped || this.guard.run(what, () => this.run(input));
  }

  /** @param take gives the machine what has come, for one turn of the event loop, and tells whether there may be more */
  readFirst(take: (now: number) => boolean): void {
    this.input = take;
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private arm(): void {
    if (this.stopped) return;
    const wanted = this.machine.nextTimeout();
    const next = wanted === undefined ? undefined : Math.max(wanted, this.notBefore);
    if (next === this.armedFor) return;
    clearTimeout(this.timer);
    this.armedFor = next;
    if (next === undefined) return;
    // setTimeout rounds down: a whole millisecond more, so that the deadline has passed when it fires.
    const delay = Math.min(Math.max(0, Math.ceil(next - this.clock.monotonic())), MAX_DELAY_MS);
    this.timer = setTimeout(() => this.wake(), delay);
  }

  private wake(): void {
    if (this.reads()) {
      if (!this.stopped) this.timer = setTimeout(() => this.wake(), 0);
      return;
    }
    this.armedFor = undefined;
    this.readingSince = undefined;
    this.guard.run('timer', () => {
      try {
        const now = this.clock.monotonic();
        // What was read may have been what the timer waited for.
        if ((this.machine.nextTimeout() ?? Infinity) <= now) this.machine.handleTimeout(now);
      } catch (error) {
        this.notBefore = this.clock.monotonic() + PAUSE_AFTER_ERROR_MS;
        throw error;
      } finally {
        this.arm();
      }
    });
  }

  /** Whether it has read, and timers have their turn later: one turn of the event loop has either. */
  private reads(): boolean {
    const { input } = this;
    const now = this.clock.monotonic();
    this.readingSince ??= now;
    if (input === undefined || now - this.readingSince >= INPUT_FIRST_MS) return false;
    const read = { all: true };
    this.guard.run('input', () => {
      read.all = !input(now);
    });
    return !read.all || this.clock.monotonic() - now >= SHORT_READ_MS;
  }
}
