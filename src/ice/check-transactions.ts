import { TimerQueue } from '../base/timer-queue.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { CHECK_LIFETIME_MS, MAX_CHECK_RTO_MS, MAX_TRANSACTIONS_PER_PAIR } from './constants.ts';
import type { IceRole } from './path.ts';

export interface CheckTransaction {
  readonly id: string;
  readonly pair: CandidatePair;
  /** Consent checks are sent once (RFC 7675 s5.1); checks are repeated. */
  readonly purpose: 'check' | 'consent';
  /** Ours when it was sent: a role conflict of an earlier role means nothing. */
  readonly role: IceRole;
  readonly data: Uint8Array;
  readonly startedAt: number;
  /** Its success selects the pair. Cleared when another nomination takes its place. */
  nominating: boolean;
  /** Another nomination took its place. */
  superseded: boolean;
  sends: number;
  rtoMs: number;
  /** False: cancelled, or sent once. An answer still counts (RFC 8445 s7.3.1.4). */
  repeats: boolean;
  /** The time for an answer to a consent check is over; it is still taken when it comes. */
  late: boolean;
  /** Somebody there said that it does not know the credentials. */
  disowned: boolean;
}

export type TransactionTimeout = 'repeat' | 'late' | 'expired';

interface OpenTransactions {
  readonly byId: Map<string, CheckTransaction>;
  readonly timers: TimerQueue<string>;
}

/** Binding requests that are on their way, found by transaction ID. */
export class CheckTransactions {
  /** Absent while there are none: most links rest, and an empty table is as large as one of four. */
  private open: OpenTransactions | undefined;

  get(id: string): CheckTransaction | undefined {
    return this.open?.byId.get(id);
  }

  has(transaction: CheckTransaction): boolean {
    return this.get(transaction.id) === transaction;
  }

  /** @param firstTimeoutMs until the first repetition, or until the answer counts as late. */
  start(
    start: Pick<CheckTransaction, 'id' | 'pair' | 'purpose' | 'role' | 'data' | 'nominating'>,
    firstTimeoutMs: number,
    now: number,
  ): CheckTransaction {
    const ofPair = this.of(start.pair);
    for (const old of ofPair.slice(0, Math.max(0, ofPair.length + 1 - MAX_TRANSACTIONS_PER_PAIR))) this.end(old);
    const transaction: CheckTransaction = {
      ...start,
      startedAt: now,
      sends: 1,
      rtoMs: firstTimeoutMs,
      repeats: start.purpose === 'check',
      superseded: false,
      late: false,
      disowned: false,
    };
    this.open ??= { byId: new Map(), timers: new TimerQueue() };
    this.open.byId.set(transaction.id, transaction);
    this.open.timers.set(transaction.id, now + firstTimeoutMs);
    return transaction;
  }

  end(transaction: CheckTransaction): void {
    this.open?.byId.delete(transaction.id);
    this.open?.timers.clear(transaction.id);
    if (this.open?.byId.size === 0) this.open = undefined;
  }

  /** The checks of `pair`, or all, are not repeated any more. */
  cancel(pair?: CandidatePair): void {
    for (const transaction of this.all())
      if (pair === undefined || transaction.pair === pair) this.stopRepeating(transaction);
  }

  /** `pair` works, so its checks are not repeated any more. A nomination is: it waits for an answer of its own. */
  cancelChecks(pair: CandidatePair): void {
    for (const transaction of this.of(pair)) if (!transaction.nominating) this.stopRepeating(transaction);
  }

  isRepeating(pair: CandidatePair): boolean {
    return this.of(pair).some((transaction) => transaction.repeats);
  }

  /**
   * No nomination but those of `kept` selects anything.
   * @returns pairs whose nomination is still being repeated.
   */
  supersedeNominations(kept?: CandidatePair): Set<CandidatePair> {
    const repeating = new Set<CandidatePair>();
    for (const transaction of this.all()) {
      if (transaction.pair === kept || !transaction.nominating) continue;
      transaction.nominating = false;
      transaction.superseded = true;
      if (transaction.repeats) repeating.add(transaction.pair);
    }
    return repeating;
  }

  /** Some nomination gave way to another, and no answer tells which of them the peer has heard first. */
  get hasSuperseded(): boolean {
    return this.all().some(({ superseded }) => superseded);
  }

  /** Answers on a pair that is gone, or to which consent was lost, are not taken. */
  forget(pair: CandidatePair): void {
    for (const transaction of this.of(pair)) this.end(transaction);
  }

  clear(): void {
    this.open = undefined;
  }

  next(): number | undefined {
    return this.open?.timers.next();
  }

  /** Call until undefined. An `expired` transaction is gone already. */
  due(now: number): { transaction: CheckTransaction; timeout: TransactionTimeout } | undefined {
    const { open } = this;
    for (let id = open?.timers.due(now); open !== undefined && id !== undefined; id = open.timers.due(now)) {
      const transaction = open.byId.get(id);
      if (transaction === undefined) continue;
      const lastAt = transaction.startedAt + CHECK_LIFETIME_MS;
      if (now >= lastAt) {
        this.end(transaction);
        return { transaction, timeout: 'expired' };
      }
      if (!transaction.repeats) {
        open.timers.set(id, lastAt);
        if (transaction.late || transaction.purpose === 'check') continue;
        transaction.late = true;
        return { transaction, timeout: 'late' };
      }
      transaction.sends += 1;
      transaction.rtoMs = Math.min(transaction.rtoMs * 2, Math.max(MAX_CHECK_RTO_MS, transaction.rtoMs));
      open.timers.set(id, Math.min(now + transaction.rtoMs, lastAt));
      return { transaction, timeout: 'repeat' };
    }
    return undefined;
  }

  private stopRepeating(transaction: CheckTransaction): void {
    if (!transaction.repeats) return;
    transaction.repeats = false;
    this.open?.timers.set(transaction.id, transaction.startedAt + CHECK_LIFETIME_MS);
  }

  private of(pair: CandidatePair): CheckTransaction[] {
    return this.all().filter((transaction) => transaction.pair === pair);
  }

  private all(): CheckTransaction[] {
    return this.open === undefined ? [] : [...this.open.byId.values()];
  }
}
