import type { Clock, Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { shuffled } from './shuffled.ts';
import {
  MAX_RENEWAL_RETRY_MS,
  MIN_RENEWAL_RETRY_MS,
  MIN_REST_PART,
  RENEWAL_JITTER,
  RENEWAL_PART,
  RENEWAL_RETRY_PART,
  WALL_CHECK_MS,
} from './constants.ts';

/** Milliseconds since the epoch. */
export interface Validity {
  readonly issuedAt: number;
  readonly notAfter: number;
}

export interface RenewalPorts {
  /** Who may issue, without this host unless it can itself. */
  readonly inviters: () => readonly Hit[];
  /** It is time: they are asked from now on. */
  readonly begins: () => void;
  /** Of the two that may come of it, a new certificate is told by `renewed`, all else by `failed`, once and never at once. */
  readonly ask: (inviter: Hit, now: number, failed: (now: number) => void) => void;
}

/**
 * Renews this host's certificate before it ends: asks the inviters in random order, again and again until one has answered.
 *
 *   resting ──two thirds of the life are over──> asking ──an inviter issued──> resting
 *                                                  │ ^
 *                                        all failed│ │a part of what is left
 *                                                  v │
 *                                                 pausing
 *
 * The end of the certificate ends nothing here: it goes on asking, through whoever listens to a guest.
 */
export class Renewal implements Timed {
  private readonly ports: RenewalPorts;
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly logger: Logger;
  /** Milliseconds since the epoch. */
  private notAfter: number | undefined;
  private dueAt = Infinity;
  private queue: Hit[] = [];
  private asked: Hit | undefined;
  private pausing = false;
  private wakeAt: number | undefined;
  /** A clock that is far ahead would make it ask without end. */
  private restUntil = -Infinity;

  constructor(components: { ports: RenewalPorts; random: Random; clock: Clock; logger: Logger }) {
    this.ports = components.ports;
    this.random = components.random;
    this.clock = components.clock;
    this.logger = components.logger;
  }

  /** It is time, and no inviter has issued yet. */
  get due(): boolean {
    return this.clock.wall() >= this.dueAt;
  }

  /** This certificate has been in force, perhaps in an earlier life: when it is time to renew it, that is done soon. */
  start(own: Validity, now: number): void {
    this.follow(own);
    this.watch(now);
  }

  /** This certificate was issued just now. */
  renewed(own: Validity, now: number): void {
    this.follow(own);
    this.restUntil = now + lifeOf(own) * MIN_REST_PART;
    this.watch(now);
  }

  /** There may be a way to an inviter that there was not before: a pause ends. */
  wake(now: number): void {
    if (this.pausing) this.begin(now);
  }

  /** No member any more: there is nothing to renew. */
  stop(): void {
    this.notAfter = undefined;
    this.dueAt = Infinity;
    this.wakeAt = undefined;
    this.asked = undefined;
    this.pausing = false;
  }

  nextTimeout(): number | undefined {
    return this.wakeAt;
  }

  handleTimeout(now: number): void {
    if (this.wakeAt === undefined || now < this.wakeAt) return;
    if (this.pausing || (this.due && now >= this.restUntil)) this.begin(now);
    else this.watch(now);
  }

  private follow(own: Validity): void {
    this.notAfter = own.notAfter;
    this.dueAt = own.notAfter - lifeOf(own) * (RENEWAL_PART + RENEWAL_JITTER * this.random.float());
    this.asked = undefined;
    this.pausing = false;
  }

  /** The wall clock is looked at often enough to notice that it was set. */
  private watch(now: number): void {
    const left = Math.max(1, Math.ceil(this.dueAt - this.clock.wall()), Math.ceil(this.restUntil - now));
    this.wakeAt = now + Math.min(left, WALL_CHECK_MS);
  }

  private begin(now: number): void {
    this.pausing = false;
    this.ports.begins();
    this.queue = shuffled(this.ports.inviters(), this.random);
    this.askNext(now);
  }

  private askNext(now: number): void {
    const inviter = this.queue.shift();
    if (inviter === undefined) {
      this.pause(now);
      return;
    }
    this.wakeAt = undefined;
    this.asked = inviter;
    this.ports.ask(inviter, now, (at) => {
      if (this.asked !== inviter) return;
      this.asked = undefined;
      this.askNext(at);
    });
  }

  private pause(now: number): void {
    const left = ((this.notAfter ?? 0) - this.clock.wall()) * RENEWAL_RETRY_PART;
    const pauseMs =
      Math.min(Math.max(left, MIN_RENEWAL_RETRY_MS), MAX_RENEWAL_RETRY_MS) * (0.75 + this.random.float() / 2);
    this.pausing = true;
    this.wakeAt = now + pauseMs;
    this.logger.info('not renewed', { inviters: this.ports.inviters().length, againInS: Math.ceil(pauseMs / 1000) });
  }
}

/** ms. */
function lifeOf({ issuedAt, notAfter }: Validity): number {
  return Math.max(0, notAfter - issuedAt);
}
