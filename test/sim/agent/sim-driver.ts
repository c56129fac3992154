import type { Timed } from '../../../src/base/clock.ts';
import type { EventLoop } from '../network/event-loop.ts';
import type { SimDataPlane } from '../network/sim-data-plane.ts';

/** What src/agent/driver.ts and main.ts do, in virtual time: whole milliseconds, never too early. */
export class SimDriver {
  private readonly machine: Timed & { drainEvents(now: number): void };
  private readonly loop: EventLoop;
  private armedFor: number | undefined;
  private armedAs = 0;
  private stopped = false;

  constructor(machine: Timed & { drainEvents(now: number): void }, loop: EventLoop) {
    this.machine = machine;
    this.loop = loop;
  }

  pump(dataPlane: SimDataPlane): void {
    const turn = (): void => {
      if (this.stopped) return;
      this.run((now) => this.machine.drainEvents(now));
    };
    dataPlane.onWake(turn);
  }

  run<T>(input: (now: number) => T): T {
    try {
      return input(this.loop.now);
    } finally {
      this.arm();
    }
  }

  stop(): void {
    this.stopped = true;
  }

  private arm(): void {
    const next = this.machine.nextTimeout();
    if (this.stopped || next === this.armedFor) return;
    this.armedFor = next;
    this.armedAs += 1;
    const order = this.armedAs;
    if (next === undefined) return;
    this.loop.after(Math.max(0, Math.ceil(next - this.loop.now)), () => {
      if (this.stopped || order !== this.armedAs) return;
      this.armedFor = undefined;
      this.run((now) => {
        this.machine.handleTimeout(now);
      });
    });
  }
}
