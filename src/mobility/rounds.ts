import type { Clock, Timed } from '../base/clock.ts';
import { REPAIR_ROUNDS } from './constants.ts';

/**
 * Looks at all of many, some in each turn of the event loop: what comes of a look costs far more than the look, as a message that is
 * signed, or a link that ends.
 */
export class Rounds<T> implements Timed {
  private readonly all: () => Iterable<T>;
  private readonly visit: (item: T, now: number) => boolean;
  private readonly clock: Pick<Clock, 'monotonic'>;
  private waiting: readonly T[] = [];
  private index = 0;
  private at: number | undefined;
  private again = false;

  /** @param visit whether something came of it */
  constructor(
    all: () => Iterable<T>,
    visit: (item: T, now: number) => boolean,
    { clock }: { readonly clock: Pick<Clock, 'monotonic'> },
  ) {
    this.all = all;
    this.visit = visit;
    this.clock = clock;
  }

  /** One more round, after the one that is under way, if any. @returns of what something came at once */
  begin(now: number): readonly T[] {
    if (this.at === undefined) return this.beginAnew(now);
    this.again = true;
    return [];
  }

  /** A round from the first one on. @returns of what something came at once */
  beginAnew(now: number): readonly T[] {
    this.fill();
    return this.goOn(now);
  }

  nextTimeout(): number | undefined {
    return this.at;
  }

  /** @returns of what something came */
  handleTimeout(now: number): readonly T[] {
    return this.at === undefined || now < this.at ? [] : this.goOn(now);
  }

  private fill(): void {
    this.waiting = [...this.all()];
    this.index = 0;
    this.again = false;
  }

  private goOn(now: number): readonly T[] {
    const found: T[] = [];
    const { waiting } = this;
    // What comes of it may ask for another round.
    this.at = now + REPAIR_ROUNDS.everyMs;
    const begun = this.clock.monotonic();
    for (let looks = 0; looks < REPAIR_ROUNDS.looks && found.length < REPAIR_ROUNDS.atOnce; looks++) {
      const item = waiting[this.index];
      if (item === undefined) break;
      this.index += 1;
      if (this.visit(item, now)) found.push(item);
      if (this.waiting !== waiting) return found;
      if (this.clock.monotonic() - begun >= REPAIR_ROUNDS.turnMs) break;
    }
    this.at = now + this.clock.monotonic() - begun + REPAIR_ROUNDS.everyMs;
    if (this.index < waiting.length) return found;
    if (this.again) this.fill();
    else this.waiting = [];
    if (this.waiting.length === 0) this.at = undefined;
    return found;
  }
}
