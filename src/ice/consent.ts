import type { Random } from '../base/random.ts';
import type { CandidatePair } from './candidate-pair.ts';
import {
  CONSENT_ANSWER_MS,
  CONSENT_INTERVAL_MS,
  CONSENT_JITTER,
  CONSENT_TIMEOUT_MS,
  LOSS_WINDOW,
  MISSED_CONSENT_LIMIT,
  REST_SILENCE_MS,
  TAKE_CONTROL_WAIT_MS,
} from './constants.ts';

/** RFC 6298 s2: weight of a new sample. */
const RTT_GAIN = 1 / 8;

/** The selected pair: whether the peer still wants what is sent there (RFC 7675), and how good it is. */
export class Consent {
  readonly pair: CandidatePair;
  readonly selectedAt: number;
  private readonly random: Random;
  private smoothedRttMs: number | undefined;
  /** A bit for each, the latest one lowest; 1: lost. */
  private outcomes = 0;
  private outcomeCount = 0;
  private missedInRow = 0;
  private checkAt: number;
  private answeredAt: number;
  private doubtedSince: number | undefined;
  private atRest = false;
  private isDisowned = false;
  private verify: { readonly since: number; readonly until: number } | undefined;

  constructor(random: Random, pair: CandidatePair, now: number) {
    this.random = random;
    this.pair = pair;
    this.selectedAt = now;
    this.smoothedRttMs = pair.rttMs;
    this.answeredAt = pair.validAt ?? now;
    // Checks that were repeated told no round-trip time: ask at once.
    this.checkAt = pair.rttMs === undefined ? now : this.afterInterval(now);
  }

  get rttMs(): number | undefined {
    return this.smoothedRttMs;
  }

  /** 0 to 1, of the last consent checks whose time for an answer is over. */
  get loss(): number {
    let lost = 0;
    for (let left = this.outcomes; left !== 0; left >>>= 1) lost += left & 1;
    return this.outcomeCount === 0 ? 0 : lost / this.outcomeCount;
  }

  /** Infinity while it rests. */
  get nextCheckAt(): number {
    return this.atRest ? Infinity : this.checkAt;
  }

  /** Infinity while it rests. */
  get expiresAt(): number {
    return this.atRest ? Infinity : this.answeredAt + CONSENT_TIMEOUT_MS;
  }

  get resting(): boolean {
    return this.atRest;
  }

  /** A check has been answered at this moment, and nothing speaks against the pair. */
  isSteady(now: number): boolean {
    return (
      this.answeredAt === now && this.missedInRow === 0 && this.verify === undefined && this.doubtedSince === undefined
    );
  }

  /** Someone else looks after the pair: no check is sent, and nothing expires. */
  rest(): void {
    this.atRest = true;
  }

  /** @param heardAt when the peer last proved that it is there, as good as an answer then. A check is due at once. */
  wake(heardAt: number, now: number): void {
    if (!this.atRest) return;
    this.atRest = false;
    this.answeredAt = Math.max(this.answeredAt, heardAt);
    this.checkAt = now;
  }

  /** It does not answer: another pair may take over. An answer clears this. */
  get suspectSince(): number | undefined {
    return this.doubtedSince;
  }

  /** The peer that has control may not see what we see: that the pair is dead. From then on we nominate; undefined: it answers. */
  get claimableAt(): number | undefined {
    return this.doubtedSince === undefined ? undefined : this.doubtedSince + TAKE_CONTROL_WAIT_MS;
  }

  /** Whoever is there may not be any more, though nothing was lost: asked at once. */
  doubt(now: number): void {
    this.wake(now - REST_SILENCE_MS, now);
    this.checkAt = Math.min(this.checkAt, now);
  }

  get verifyAt(): number | undefined {
    return this.verify?.until;
  }

  /** RFC 7675 s5.1 wants an allowance for the variation of delay. */
  get answerTimeoutMs(): number {
    return Math.min(Math.max(3 * (this.smoothedRttMs ?? 0), CONSENT_ANSWER_MS.least), CONSENT_ANSWER_MS.most);
  }

  checkSent(now: number): void {
    this.checkAt = this.afterInterval(now);
  }

  /** Somebody there says that it does not know our credentials: true or not, as long as no answer proves that it does. */
  disowned(): void {
    this.isDisowned = true;
  }

  /**
   * Any check on the pair was answered. @param rttMs unless it is unclear which copy was answered.
   * @returns whether it had been `disowned`.
   */
  answered(rttMs: number | undefined, now: number): boolean {
    const wasDisowned = this.isDisowned;
    this.isDisowned = false;
    this.answeredAt = now;
    this.missedInRow = 0;
    this.doubtedSince = undefined;
    if (rttMs !== undefined)
      this.smoothedRttMs =
        this.smoothedRttMs === undefined ? rttMs : this.smoothedRttMs + RTT_GAIN * (rttMs - this.smoothedRttMs);
    return wasDisowned;
  }

  /** What became of one consent check. @returns true when so many got lost that other pairs should be tried. */
  record(answered: boolean): boolean {
    this.outcomes = ((this.outcomes << 1) | Number(!answered)) & (2 ** LOSS_WINDOW - 1);
    this.outcomeCount = Math.min(this.outcomeCount + 1, LOSS_WINDOW);
    if (!answered) this.missedInRow += 1;
    return this.missedInRow >= MISSED_CONSENT_LIMIT;
  }

  /**
   * Does the pair still answer? It has two round trips, at least `leastMs`.
   * @returns true: it should be checked now. False: that is so already, or it is suspect.
   */
  beginVerify(now: number, leastMs: number): boolean {
    if (this.verify !== undefined || this.doubtedSince !== undefined) return false;
    this.verify = { since: now, until: now + Math.max(leastMs, 2 * (this.smoothedRttMs ?? 0)) };
    return true;
  }

  /** @returns true: the time is over and nothing was answered, so the pair is suspect now. */
  verifyEnded(now: number): boolean {
    if (this.verify === undefined || now < this.verify.until) return false;
    const silent = this.answeredAt < this.verify.since;
    this.verify = undefined;
    if (silent) this.doubtedSince = now;
    return silent;
  }

  private afterInterval(now: number): number {
    const { least, most } = CONSENT_JITTER;
    return now + CONSENT_INTERVAL_MS * (least + this.random.float() * (most - least));
  }
}
