import { DEFAULT_RTO_MS, MAX_RTO_MS, MIN_RTO_MS } from './constants.ts';

/** RFC 6298 s2, rounded up to a millisecond instead of a second (RFC 6940 s6.6.3.1). */
export class RetransmissionTimeout {
  private smoothed: number | undefined;
  private variation = 0;

  /** Milliseconds. */
  get current(): number {
    if (this.smoothed === undefined) return DEFAULT_RTO_MS;
    return Math.min(MAX_RTO_MS, Math.max(MIN_RTO_MS, Math.ceil(this.smoothed + Math.max(1, 4 * this.variation))));
  }

  get smoothedRttMs(): number | undefined {
    return this.smoothed;
  }

  measured(rttMs: number): void {
    if (this.smoothed === undefined) {
      this.smoothed = rttMs;
      this.variation = rttMs / 2;
      return;
    }
    this.variation = 0.75 * this.variation + 0.25 * Math.abs(this.smoothed - rttMs);
    this.smoothed = 0.875 * this.smoothed + 0.125 * rttMs;
  }

  /** Another path: what was measured says nothing about it. */
  forget(): void {
    this.smoothed = undefined;
  }
}
