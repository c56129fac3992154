import { RELAYED_LOOK_MS } from './constants.ts';

/** On a relayed path: when the direct ones are tried again. Nothing tells of it when one works by now. */
export class RelayedLook {
  private dueAt: number | undefined;
  private afterMs: number = RELAYED_LOOK_MS.least;

  get at(): number | undefined {
    return this.dueAt;
  }

  /** After twice as long the next time. */
  later(now: number): void {
    this.dueAt = now + this.afterMs;
    this.afterMs = Math.min(2 * this.afterMs, RELAYED_LOOK_MS.most);
  }

  /** @returns whether it is time; only once. */
  take(now: number): boolean {
    if (this.dueAt === undefined || now < this.dueAt) return false;
    this.dueAt = undefined;
    return true;
  }

  reset(): void {
    this.dueAt = undefined;
    this.afterMs = RELAYED_LOOK_MS.least;
  }
}
