import type { CandidatePair } from './candidate-pair.ts';
import { LEFT_PAIR_HOLD_MS, MAX_NOMINATIONS_SEEN, RETURN_WAIT_MS } from './constants.ts';

/** Tells a nomination that is meant now from a late copy: by its transaction, and by the pair that was left last. */
export class NominationHistory {
  private seen: string[] = [];
  private left: { readonly pair: CandidatePair; readonly at: number } | undefined;

  leave(pair: CandidatePair, now: number): void {
    this.left = { pair, at: now };
  }

  /** Nothing is selected: any pair is welcome, the last one too. */
  forgetLeft(): void {
    this.left = undefined;
  }

  /** The peer nominates `pair`. @returns false: an old one. */
  takes(transactionId: string, pair: CandidatePair, now: number): boolean {
    if (this.seen.includes(transactionId)) return false;
    this.seen.push(transactionId);
    if (this.seen.length > MAX_NOMINATIONS_SEEN) this.seen.shift();
    return this.left?.pair !== pair || now >= this.left.at + LEFT_PAIR_HOLD_MS;
  }

  /** From when on the peer takes a nomination of `pair` by us, by the latest. */
  returnAt(pair: CandidatePair): number {
    return this.left?.pair === pair ? this.left.at + RETURN_WAIT_MS : 0;
  }
}
