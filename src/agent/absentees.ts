import type { Timed } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';

// Implementation constants.

/** Since we moved: first when running links have had time to follow, then after twice the time. */
const FIRST_CALL_MS = 5_000;
const MAX_PAUSE_MS = 600_000;
/** Called in one round, by turns, those seen last first. */
const MAX_CALLED = 32;
/** Then whoever comes back has to find us in other ways. */
const GIVE_UP_MS = 3 * 86_400_000;

export interface AbsenteesPorts {
  /** All that may look for us where we were, seen last first. */
  known(): readonly Hit[];
  /** Linked, and it answers: it knows where we are. */
  isThere(hit: Hit): boolean;
  /** Dials it where it was last. */
  call(hit: Hit, now: number): void;
}

/**
 * Who does not know yet that we have moved. The only peer of an overlay cannot be asked for, since the way to it went through
 * itself: so it calls the others, from its new address, for as long as one of them may have been switched off.
 */
export class Absentees implements Timed {
  private readonly ports: AbsenteesPorts;
  private readonly absent = new Set<Hit>();
  private movedAt = 0;
  private pauseMs = FIRST_CALL_MS;
  private callAt: number | undefined;

  constructor(components: { ports: AbsenteesPorts }) {
    this.ports = components.ports;
  }

  /** An address of ours is gone. */
  moved(now: number): void {
    this.absent.clear();
    for (const hit of this.ports.known()) this.absent.add(hit);
    this.movedAt = now;
    this.pauseMs = FIRST_CALL_MS;
    this.callAt = this.absent.size > 0 ? now + FIRST_CALL_MS : undefined;
  }

  linkUp(hit: Hit): void {
    this.absent.delete(hit);
    if (this.absent.size === 0) this.callAt = undefined;
  }

  /** We are no peer any more, which nobody needs to find. */
  stop(): void {
    this.absent.clear();
    this.callAt = undefined;
  }

  nextTimeout(): number | undefined {
    return this.callAt;
  }

  handleTimeout(now: number): void {
    if (this.callAt === undefined || this.callAt > now) return;
    for (const hit of this.absent) if (this.ports.isThere(hit)) this.absent.delete(hit);
    if (this.absent.size === 0 || now - this.movedAt > GIVE_UP_MS) {
      this.stop();
      return;
    }
    for (const hit of [...this.absent].slice(0, MAX_CALLED)) {
      this.ports.call(hit, now);
      // The others come first next time.
      this.absent.delete(hit);
      this.absent.add(hit);
    }
    this.pauseMs = Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
    this.callAt = now + this.pauseMs;
  }
}
