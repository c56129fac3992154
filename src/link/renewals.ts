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

  /** What waits for the same is begun anew. The first ones are done when it returns. */
  begin(associations: Iterable<Association>, renew: Renew, now: number): void {
    this.waiting.set(
      renew,
      [...associations].sort((a, b) => b.restAt - a.restAt),
    );
    if (this.at === undefined) this.handleTimeout(now);
  }

  nextTimeout(): number | undefined {
    return this.at;
  }

  handleTimeout(now: number): void {
    let left = RENEWALS.atOnce;
    let lists = this.waiting.size;
    for (const [renew, associations] of this.waiting) {
      // None waits for the end of another.
      const due = associations.splice(0, Math.ceil(left / lists--));
      left -= due.length;
      if (associations.length === 0) this.waiting.delete(renew);
      for (const association of due) renew(association, now);
    }
    this.at = this.waiting.size === 0 ? undefined : now + RENEWALS.everyMs;
  }
}
