/** What one trial of an offered rate brought, in Gb/s. */
export interface Trial {
  readonly received: number;
  /** The sender made the rate, and no more was lost than allowed. */
  readonly kept: boolean;
  /** No more was lost than allowed of what was sent, be it less than offered. */
  readonly clean: boolean;
}

export interface RateSearch {
  /** The first rate that is offered, Gb/s. */
  readonly start: number;
  /** No higher and no lower rate is offered, Gb/s. */
  readonly lowest: number;
  readonly highest: number;
  /** The search ends when a rate that was kept and one that was not are this close, as a ratio above 1. */
  readonly precision: number;
  /** A rate counts as not kept after so many failures: one hiccup of the machine is not its limit. */
  readonly tries: number;
}

/**
 * Looks for the highest rate that is kept: doubling or halving first, then halving the (logarithmic) distance.
 * @returns most that a clean trial received, Gb/s; undefined: not even the lowest rate was clean
 */
export async function highestRate(
  { start, lowest, highest, precision, tries }: RateSearch,
  offer: (rate: number) => Promise<Trial>,
): Promise<number | undefined> {
  let most: number | undefined;
  const isKept = async (rate: number): Promise<boolean> => {
    for (let attempt = 0; attempt < tries; attempt++) {
      const { received, kept, clean } = await offer(rate);
      if (clean) most = Math.max(most ?? 0, received);
      if (kept) return true;
    }
    return false;
  };
  let good: number | undefined;
  let bad: number | undefined;
  let rate = Math.min(Math.max(start, lowest), highest);
  for (;;) {
    if (await isKept(rate)) good = rate;
    else bad = rate;
    if (good !== undefined && bad !== undefined) {
      if (bad / good <= precision) return most;
      rate = Math.sqrt(good * bad);
    } else if (good !== undefined) {
      if (good >= highest) return most;
      rate = Math.min(2 * good, highest);
    } else {
      if (rate <= lowest) return most;
      rate = Math.max(rate / 2, lowest);
    }
  }
}
