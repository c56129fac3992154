import type { CandidatePair } from './candidate-pair.ts';
import { NOMINATION_HOLD_MS, MAX_NOMINATIONS_SEEN } from './constants.ts';
import { RecentTransactions } from './recent-transactions.ts';

/** Tells nominations by the peer that are meant now from late copies: by transaction, and by the pair that was left last. */
export class NominationHistory {
  private readonly seen = new RecentTransactions(MAX_NOMINATIONS_SEEN);
  private left: { readonly pair: CandidatePair; readonly at: number } | undefined;

  leave(pair: CandidatePair, now: number): void {
    this.left = { pair, at: now };
  }

  /** Nothing is selected: any pair is welcome, the last one too. */
  forgetLeft(): void {
    this.left = undefined;
  }

  /** Left so lately that a nomination of it may be a late copy. A real one is repeated. */
  isLeft(pair: CandidatePair, now: number): boolean {
    return this.left?.pair === pair && now < this.left.at + NOMINATION_HOLD_MS;
  }

  /** @returns false: not for the first time. */
  takes(transactionId: string): boolean {
    if (this.seen.indexOf(transactionId) >= 0) return false;
    this.seen.add(transactionId);
    return true;
  }
}
