/** At most so many in a second; a burst of that size is let through. */
export class RateLimit {
  private readonly perSecond: number;
  private left: number;
  private at = 0;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.left = perSecond;
  }

  /** @returns whether one more may pass now. */
  take(now: number): boolean {
    this.left = Math.min(this.perSecond, this.left + ((now - this.at) / 1_000) * this.perSecond);
    this.at = now;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}
