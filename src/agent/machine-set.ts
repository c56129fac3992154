import { earliest, type Timed } from '../base/clock.ts';
import type { Guard } from './guard.ts';

/** What was due when a machine threw may be due still: it is not asked again at once, and again, and again. */
const PAUSE_AFTER_ERROR_MS = 1_000;

/** State machines that are driven as one. What one throws is reported, and it rests a while; the others go on. */
export class MachineSet implements Timed {
  private readonly guard: Guard;
  private readonly machines: () => Readonly<Record<string, Timed>>;
  private readonly restUntil = new WeakMap<Timed, number>();

  /** @param components.machines by name, as they are now. */
  constructor(components: { guard: Guard; machines: () => Readonly<Record<string, Timed>> }) {
    this.guard = components.guard;
    this.machines = components.machines;
  }

  nextTimeout(): number | undefined {
    return earliest(...Object.values(this.machines()).map((machine) => this.dueAt(machine)));
  }

  handleTimeout(now: number): void {
    for (const [name, machine] of Object.entries(this.machines())) {
      if ((this.dueAt(machine) ?? Infinity) > now) continue;
      const done = this.guard.run(`timer of ${name}`, () => machine.handleTimeout(now));
      if (!done) this.restUntil.set(machine, now + PAUSE_AFTER_ERROR_MS);
    }
  }

  private dueAt(machine: Timed): number | undefined {
    const wanted = machine.nextTimeout();
    return wanted === undefined ? undefined : Math.max(wanted, this.restUntil.get(machine) ?? -Infinity);
  }
}
