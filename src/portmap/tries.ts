/** When a request is sent, sent again, and given up. */
export class Tries {
  private readonly sendAt: number[];
  private readonly limitAt: number;

  /** @param pauses ms after `now`, ascending. @param limitMs after `now`. */
  constructor(pauses: readonly number[], limitMs: number, now: number) {
    this.sendAt = pauses.map((pause) => now + pause);
    this.limitAt = now + limitMs;
  }

  /** Whether to send now; several that are due at once are one. */
  due(now: number): boolean {
    const before = this.sendAt.length;
    while ((this.sendAt[0] ?? Infinity) <= now) this.sendAt.shift();
    return this.sendAt.length < before;
  }

  over(now: number): boolean {
    return now >= this.limitAt;
  }

  nextTimeout(): number {
    return Math.min(this.sendAt[0] ?? Infinity, this.limitAt);
  }
}
