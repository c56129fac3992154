import type { HostClock } from './clock.ts';

/** So much is no fault of a clock: storage and certificates allow for more (MAX_CLOCK_SKEW_MS, CLOCK_SKEW_MS). */
export const CLOCK_TOLERANCE_MS = 60_000;
/** Less is the clock being steered, and the time that a reading takes. */
const STEP_MS = 1_000;

/** Where the time comes from: the host's clock, a proof that it is later than that says, or other members. */
export type ClockSource = 'host' | 'proof' | 'overlay';

/**
 * The time as an overlay's members agree on it: what is dated for others or judged by its date asks this clock.
 *
 *   time = the host's clock at the start + what has passed since, sleep included + a correction
 *
 * So a host's clock that is set while the agent runs changes nothing, and one that was wrong at the start is corrected by
 * what the others say (src/overlay/time-keeper.ts). As long as no other member was heard, a host's clock that is set
 * forward is followed: a machine without a battery has no other way to know.
 */
export class OverlayClock implements HostClock {
  private readonly host: HostClock;
  private readonly start: { readonly wall: number; readonly monotonic: number; readonly uptime: number };
  private sleptMs = 0;
  private correctionMs = 0;
  /** How far the host's clock was set since the start. */
  private stepMs = 0;
  private origin: ClockSource = 'host';
  private provenMs: number;
  private heard = false;

  /** @param proven milliseconds since the epoch: a moment that is past for certain, such as that of our certificate's issue */
  constructor(host: HostClock, options: { readonly proven?: number } = {}) {
    this.host = host;
    this.start = { wall: host.wall(), monotonic: host.monotonic(), uptime: host.uptime() };
    this.provenMs = -Infinity;
    if (options.proven !== undefined) this.prove(options.proven);
  }

  monotonic(): number {
    return this.host.monotonic();
  }

  uptime(): number {
    return this.host.uptime();
  }

  /** Whole milliseconds, as of any clock on a wall: they go into messages and files. */
  wall(): number {
    this.look();
    return Math.floor(this.steady() + this.correctionMs);
  }

  get source(): ClockSource {
    return this.origin;
  }

  /** Milliseconds that the host's clock is behind the overlay's time; negative when it is ahead. */
  get offsetMs(): number {
    return this.wall() - this.host.wall();
  }

  /** The latest moment that is past for certain. */
  get proven(): number {
    return this.provenMs;
  }

  /** Whether other members have told the time: the host's clock is not followed any more. */
  get agreed(): boolean {
    return this.heard;
  }

  /** A moment that is past for certain: the time is never before it. */
  prove(past: number): void {
    this.provenMs = Math.max(this.provenMs, past);
    const behind = this.provenMs - this.wall();
    if (behind <= 0) return;
    this.correctionMs += behind;
    this.origin = 'proof';
  }

  /** Other members say so: `shiftMs` is added to the time; 0 when they say the same. */
  agree(shiftMs: number): void {
    this.look();
    this.heard = true;
    if (shiftMs === 0) return;
    this.correctionMs += shiftMs;
    this.origin = 'overlay';
  }

  private steady(): number {
    return this.start.wall + (this.host.monotonic() - this.start.monotonic) + this.sleptMs;
  }

  /** Notices that the host has slept, and that its clock was set. */
  private look(): void {
    if (Math.abs(this.host.wall() - this.steady() - this.stepMs) < STEP_MS) return;
    // The monotonic clock stands still while the host sleeps, the uptime does not.
    const slept = this.host.uptime() - this.start.uptime - (this.host.monotonic() - this.start.monotonic);
    if (slept - this.sleptMs >= STEP_MS) this.sleptMs = slept;
    this.stepMs = this.host.wall() - this.steady();
    const behind = this.stepMs - this.correctionMs;
    if (this.heard || behind < CLOCK_TOLERANCE_MS) return;
    this.correctionMs = this.stepMs;
    this.origin = 'host';
  }
}
