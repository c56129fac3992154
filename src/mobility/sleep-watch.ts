import type { HostClock, Timed } from '../base/clock.ts';
import { SHORTEST_SLEEP_MS, SLEEP_LOOK_MS } from './constants.ts';

/**
 * Notices that the host has slept. Its monotonic clock stood still meanwhile, so that no timer tells: consent seems to be
 * fresh, while peers have given their links up and NATs have forgotten them. Nor does the network have to change for it.
 */
export class SleepWatch implements Timed {
  private readonly clock: HostClock;
  private readonly awake: (now: number) => void;
  private ahead: number;
  private lookAt: number;

  /** @param awake called once after each sleep. */
  constructor(clock: HostClock, awake: (now: number) => void) {
    this.clock = clock;
    this.awake = awake;
    this.ahead = this.uptimeAhead;
    this.lookAt = clock.monotonic() + SLEEP_LOOK_MS;
  }

  nextTimeout(): number {
    return this.lookAt;
  }

  handleTimeout(now: number): void {
    if (now < this.lookAt) return;
    this.lookAt = now + SLEEP_LOOK_MS;
    const before = this.ahead;
    this.ahead = this.uptimeAhead;
    if (this.ahead - before >= SHORTEST_SLEEP_MS) this.awake(now);
  }

  /** Of the monotonic clock, which stands still while the host sleeps. */
  private get uptimeAhead(): number {
    return this.clock.uptime() - this.clock.monotonic();
  }
}
