import { MAX_BYTES, MAX_BYTES_PER_SOURCE, MAX_TRANSACTIONS, MAX_TRANSACTIONS_PER_SOURCE } from './constants.ts';

export interface LedgerLimits {
  readonly count: number;
  readonly countPerSource: number;
  readonly bytes: number;
  readonly bytesPerSource: number;
}

interface Account {
  count: number;
  bytes: number;
}

const LIMITS: LedgerLimits = {
  count: MAX_TRANSACTIONS,
  countPerSource: MAX_TRANSACTIONS_PER_SOURCE,
  bytes: MAX_BYTES,
  bytesPerSource: MAX_BYTES_PER_SOURCE,
};

/** What requests of others hold here, in all and for each source address. */
export class Ledger {
  private readonly limits: LedgerLimits;
  private readonly all: Account = { count: 0, bytes: 0 };
  private readonly bySource = new Map<string, Account>();

  constructor(limits: LedgerLimits = LIMITS) {
    this.limits = limits;
  }

  /** Sources that hold anything. */
  get sources(): number {
    return this.bySource.size;
  }

  /** @returns whether there is room; it is taken then. */
  take(source: string, bytes: number): boolean {
    const { limits, all } = this;
    const account = this.bySource.get(source) ?? { count: 0, bytes: 0 };
    if (all.count >= limits.count || all.bytes + bytes > limits.bytes) return false;
    if (account.count >= limits.countPerSource || account.bytes + bytes > limits.bytesPerSource) return false;
    this.bySource.set(source, account);
    for (const one of [all, account]) {
      one.count += 1;
      one.bytes += bytes;
    }
    return true;
  }

  giveBack(source: string, bytes: number): void {
    const account = this.bySource.get(source);
    if (account === undefined) return;
    for (const one of [this.all, account]) {
      one.count -= 1;
      one.bytes -= bytes;
    }
    if (account.count === 0) this.bySource.delete(source);
  }
}
