import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import {
  DOUBLE_AWAY_MS,
  DOUBLE_CHECK_MS,
  DOUBLE_HOLD_MS,
  DOUBLE_MEMORY_MS,
  DOUBLE_SUSPECTED_MS,
  MAX_DOUBLE_AWAY_MS,
  MAX_DOUBLE_CHECK_MS,
  MAX_DOUBLE_MEMBERS,
  MIN_DOUBLE_AGE_MS,
} from './constants.ts';

/** An agent's entry in the members' list: who wrote it is told by when it was started. */
export interface Run {
  /** Milliseconds since the epoch, by its own clock. */
  readonly startedAt: number;
}

export interface DoubleWatchPorts {
  /**
   * Another agent that has written under this host's key since this one did first, or since `since` while nothing of this one was
   * taken; undefined: none is known.
   */
  readonly latestRun: (
    since: number | undefined,
    now: number,
    done: (run: Run | undefined, now: number) => void,
  ) => void;
  /** Writes this agent's entry again. */
  readonly reassert: (now: number) => void;
  /** Does so, and forgets what another agent wrote before. */
  readonly startOver: (now: number) => void;
}

export type DoubleEvent =
  /** Another agent has this host's key; it was started later, and is to stay out. */
  | { readonly type: 'met'; readonly startedAt: number }
  /** Another agent has this host's key, and was started earlier: this one is to stay out of the overlay until `back`. */
  | { readonly type: 'away'; readonly startedAt: number; readonly againInMs: number }
  /** Time to see whether the other one is still there. */
  | { readonly type: 'back' }
  /** Nothing was heard of the other one any more. */
  | { readonly type: 'gone' };

/**
 * Finds out whether another agent runs with this host's key, as from a copied disk: the overlay has one place for a host's
 * entry, and what another has written there since this one wrote is signed by the same key, but tells of another start. Others
 * cannot say so falsely. The one that was started later gives way, or both would take each other's links for ever.
 *
 *   watching ──entry of one that was started later──> entry written again, watching
 *      ^ └─────entry of one that was started earlier──> away
 *      └──────────────the time is over───────────────────┘
 */
export class DoubleWatch implements Timed {
  private readonly ports: DoubleWatchPorts;
  private readonly logger: Logger;
  private readonly own: Run;
  private checkAt: number | undefined;
  private checkMs = DOUBLE_CHECK_MS;
  /** The look that is under way; an earlier one that still waits for its answer counts no more. */
  private look: object | undefined;
  /** Others have ended links of this agent, which has not come in since. */
  private suspected = false;
  private backAt: number | undefined;
  /** When members have ended links. */
  private readonly ended = new Map<Hit, readonly number[]>();
  private heldUntil = -Infinity;
  private awayMs = DOUBLE_AWAY_MS;
  private other: number | undefined;
  private handler: (event: DoubleEvent, now: number) => void = () => {};

  constructor(components: { ports: DoubleWatchPorts; logger: Logger }, options: Run) {
    this.ports = components.ports;
    this.logger = components.logger;
    this.own = options;
  }

  onEvent(handler: (event: DoubleEvent, now: number) => void): void {
    this.handler = handler;
  }

  get isAway(): boolean {
    return this.backAt !== undefined;
  }

  /** No links are to be sought: while this agent is away, and for so long that the other one can see the entry. */
  keepsBack(now: number): boolean {
    return this.isAway || now < this.heldUntil;
  }

  /** In the overlay; the entry is written now. */
  entered(now: number): void {
    this.suspected = false;
    this.watch(DOUBLE_CHECK_MS, DOUBLE_CHECK_MS, now);
  }

  /**
   * A member has ended a link that worked, as it does for another link of the same key. Once says nothing: it was restarted, or
   * both ends had called each other. From the second time on within a minute the entry is written again, so that the other
   * agent finds one that is later than its own start; from the third on, both wait a moment, or neither would have the time to.
   */
  suspect(hit: Hit, now: number): void {
    if (this.isAway) return;
    const before = (this.ended.get(hit) ?? []).filter((at) => now - at < DOUBLE_MEMORY_MS);
    this.ended.delete(hit);
    this.ended.set(hit, [...before.slice(-2), now]);
    const [oldest] = this.ended.keys();
    if (this.ended.size > MAX_DOUBLE_MEMBERS && oldest !== undefined) this.ended.delete(oldest);
    if (before.length === 0) return;
    this.suspected = true;
    this.ports.reassert(now);
    this.watch(DOUBLE_SUSPECTED_MS, DOUBLE_CHECK_MS, now);
    if (before.length > 1) this.heldUntil = now + DOUBLE_HOLD_MS;
  }

  /** A member is linked, perhaps only until the other agent has linked with it again. */
  linkUp(now: number): void {
    if (this.suspected && !this.isAway) this.check(now);
  }

  nextTimeout(): number | undefined {
    return this.backAt ?? (this.look === undefined ? this.checkAt : undefined);
  }

  handleTimeout(now: number): void {
    if (this.backAt !== undefined) {
      if (now >= this.backAt) this.comeBack(now);
      return;
    }
    if (this.look === undefined && this.checkAt !== undefined && now >= this.checkAt) this.check(now);
  }

  private check(now: number): void {
    const look = {};
    this.look = look;
    this.checkAt = undefined;
    const since = this.suspected ? this.own.startedAt + MIN_DOUBLE_AGE_MS : undefined;
    this.ports.latestRun(since, now, (run, at) => {
      if (this.look !== look) return;
      this.look = undefined;
      if (run !== undefined) this.met(run, at);
      else this.heardNothing(at);
    });
  }

  private watch(firstMs: number, thenMs: number, now: number): void {
    if (this.isAway) return;
    this.checkMs = thenMs;
    this.checkAt = Math.min(this.checkAt ?? Infinity, now + firstMs);
  }

  private met({ startedAt }: Run, now: number): void {
    const isNew = this.other !== startedAt;
    this.other = startedAt;
    if (startedAt < this.own.startedAt) {
      const againInMs = this.awayMs;
      this.backAt = now + againInMs;
      this.awayMs = Math.min(this.awayMs * 2, MAX_DOUBLE_AWAY_MS);
      this.checkAt = undefined;
      this.look = undefined;
      this.suspected = false;
      this.logger.debug('double', { startedAt, againInMs });
      this.handler({ type: 'away', startedAt, againInMs }, now);
      return;
    }
    this.ports.reassert(now);
    this.checkMs = DOUBLE_CHECK_MS;
    this.checkAt = now + this.checkMs;
    if (isNew) this.handler({ type: 'met', startedAt }, now);
  }

  private heardNothing(now: number): void {
    this.checkAt ??= now + this.checkMs;
    this.checkMs = Math.min(this.checkMs * 2, MAX_DOUBLE_CHECK_MS);
    if (this.other === undefined || this.checkMs < MAX_DOUBLE_CHECK_MS) return;
    this.other = undefined;
    this.awayMs = DOUBLE_AWAY_MS;
    this.handler({ type: 'gone' }, now);
  }

  private comeBack(now: number): void {
    this.backAt = undefined;
    // What the other one wrote before says nothing about whether it lives: it is to answer what is written now.
    this.ports.startOver(now);
    this.entered(now);
    this.handler({ type: 'back' }, now);
  }
}
