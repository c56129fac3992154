/** At most so many in a second; a burst is let through. */
export class RateLimit {
  private readonly perSecond: number;
  private readonly burst: number;
  private left: number;
  private at = 0;

  /** @param burst at most so many at once; absent: those of a second. */
  constructor(perSecond: number, burst = perSecond) {
    this.perSecond = perSecond;
    this.burst = burst;
    this.left = burst;
  }

  /** Nothing of what has passed counts any more: a new one would let through as many. */
  isFull(now: number): boolean {
    return this.leftAt(now) >= this.burst;
  }

  /** @returns whether one more may pass now. */
  take(now: number): boolean {
    this.left = this.leftAt(now);
    this.at = now;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }

  private leftAt(now: number): number {
    return Math.min(this.burst, this.left + ((now - this.at) / 1_000) * this.perSecond);
  }
}
