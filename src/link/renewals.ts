import type { Clock } from '../base/clock.ts';
import type { Association } from './association.ts';
import { RENEWALS } from './constants.ts';

export type Renew = (association: Association, now: number) => unknown;

/**
 * What all links are to do when this host has moved: a few at a time, those that were in use lately first, so that a thousand
 * neither send their checks in one instant (RFC 8445 s14.2) nor keep the event loop.
 */
export class Renewals {
  private readonly waiting = new Map<Renew, Association[]>();
  private readonly clock: Pick<Clock, 'monotonic'>;
  private at: number | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
  }

  /** What waits for the same is begun anew. The first ones are done when it returns, unless it is called by one of them. */
  begin(associations: Iterable<Association>, renew: Renew, now: number): void {
    const sorted = [...associations].sort((a, b) => b.restAt - a.restAt);
    if (sorted.length === 0) {
      this.waiting.delete(renew);
      return;
    }
    this.waiting.set(renew, sorted);
    if (this.at === undefined) this.handleTimeout(now);
  }

  nextTimeout(): number | undefined {
    return this.at;
  }

  handleTimeout(now: number): void {
    // What comes of one may begin others: those have the next turn.
    this.at = now + RENEWALS.everyMs;
    const begun = this.clock.monotonic();
    for (let done = 0; done < RENEWALS.atOnce; done++) {
      const [first] = this.waiting;
      if (first === undefined) break;
      const [renew, associations] = first;
      // None waits for the end of another.
      this.waiting.delete(renew);
      const association = associations.shift();
      if (associations.length > 0) this.waiting.set(renew, associations);
      if (association !== undefined) renew(association, now);
      if (this.clock.monotonic() - begun >= RENEWALS.turnMs) break;
    }
    const end = now + this.clock.monotonic() - begun;
    this.at = this.waiting.size === 0 ? undefined : end + RENEWALS.everyMs;
  }
}
