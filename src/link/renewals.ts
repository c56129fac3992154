import type { Association } from './association.ts';
import { RENEWALS } from './constants.ts';

export type Renew = (association: Association, now: number) => unknown;

/**
 * What all links are to do when this host has moved: a few at a time, those that were in use lately first, so that a thousand
 * neither send their checks in one instant (RFC 8445 s14.2) nor keep the event loop.
 */
export class Renewals {
  private readonly waiting = new Map<Renew, Association[]>();
  private at: number | undefined;

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
    let left = RENEWALS.atOnce;
    let lists = this.waiting.size;
    for (const [renew, associations] of this.waiting) {
      // None waits for the end of another.
      const due = associations.splice(0, Math.ceil(left / lists--));
      left -= due.length;
      if (associations.length === 0) this.waiting.delete(renew);
      for (const association of due) renew(association, now);
    }
    if (this.waiting.size === 0) this.at = undefined;
  }
}
