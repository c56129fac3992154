import type { Clock, Timed } from '../base/clock.ts';
import type { Guard } from './guard.ts';

/** Longest that one `setTimeout` may be asked for. */
const MAX_DELAY_MS = 2 ** 31 - 1;
/** What was due when the machine threw may be due still: it is not asked again at once, and again, and again. */
const PAUSE_AFTER_ERROR_MS = 1_000;

/** The one timer of the agent: wakes a sans-IO machine when it asked to be woken. */
export class Driver {
  private readonly machine: Timed;
  private readonly clock: Clock;
  private readonly guard: Guard;
  private timer: NodeJS.Timeout | undefined;
  private armedFor: number | undefined;
  private notBefore = -Infinity;
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
    this.armedFor = undefined;
    this.guard.run('timer', () => {
      try {
        this.machine.handleTimeout(this.clock.monotonic());
      } catch (error) {
        this.notBefore = this.clock.monotonic() + PAUSE_AFTER_ERROR_MS;
        throw error;
      } finally {
        this.arm();
      }
    });
  }
}
