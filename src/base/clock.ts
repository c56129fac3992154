import { uptime } from 'node:os';

/**
 * Time as state machines see it. `now` arguments everywhere are milliseconds of `monotonic()` (fractions allowed);
 * what must mean the same to other hosts (RELOAD storage_time, certificates) is milliseconds since the epoch, `wall()`.
 */
export interface Clock {
  monotonic(): number;
  wall(): number;
}

/** The clock of a host, which somebody may set, and which may sleep: `monotonic()` stands still then. */
export interface HostClock extends Clock {
  /** Milliseconds since some moment, sleep counted in. */
  uptime(): number;
}

export const systemClock: HostClock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  uptime: () => uptime() * 1000,
};

/** What every sans-IO state machine offers its driver, beside its own inputs. */
export interface Timed {
  /** When `handleTimeout` wants to be called next; undefined: not before another input. */
  nextTimeout(): number | undefined;
  handleTimeout(now: number): void;
}

/** The earliest of several times that may be absent. */
export function earliest(...times: readonly (number | undefined)[]): number | undefined {
  let first: number | undefined;
  for (const time of times) if (time !== undefined && (first === undefined || time < first)) first = time;
  return first;
}
