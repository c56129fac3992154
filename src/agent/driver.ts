import type { Clock, Timed } from '../base/clock.ts';

/** Longest that one `setTimeout` may be asked for. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The one timer of the agent: wakes a sans-IO machine when it asked to be woken. */
export class Driver {
  private readonly machine: Timed;
  private readonly clock: Clock;
  private timer: NodeJS.Timeout | undefined;
  private armedFor: number | undefined;
  private stopped = false;

  constructor(machine: Timed, clock: Clock) {
    this.machine = machine;
    this.clock = clock;
  }

  /** Gives the machine an input with the time of now, then sets the timer anew. */
  run<T>(input: (now: number) => T): T {
    try {
      return input(this.clock.monotonic());
    } finally {
      this.arm();
    }
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private arm(): void {
    if (this.stopped) return;
    const next = this.machine.nextTimeout();
    if (next === this.armedFor) return;
    clearTimeout(this.timer);
    this.armedFor = next;
    if (next === undefined) return;
    // setTimeout rounds down: a whole millisecond more, so that the deadline has passed when it fires.
    const delay = Math.min(Math.max(0, Math.ceil(next - this.clock.monotonic())), MAX_DELAY_MS);
    this.timer = setTimeout(() => {
      this.armedFor = undefined;
      this.run((now) => {
        this.machine.handleTimeout(now);
      });
    }, delay);
  }
}
