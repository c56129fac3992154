import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { MAX_CHECKS_SEEN } from './constants.ts';
import { RecentTransactions } from './recent-transactions.ts';

/** Checks one after the other from one address: nearly always there is one such run, of all. */
interface Run {
  readonly source: string;
  count: number;
}

/**
 * Where checks of the peer came from, by transaction. Whoever captures one can send copies of it as from anywhere; the peer
 * itself repeats a check from where it has sent it.
 */
export class SeenChecks {
  private readonly transactions = new RecentTransactions(MAX_CHECKS_SEEN);
  /** Of them. */
  private runs: readonly Run[] = [];

  /** @returns whether the check came from another address before. */
  isReplay(transactionId: string, source: SocketAddress): boolean {
    const from = formatSocketAddress(source);
    const at = this.transactions.indexOf(transactionId);
    if (at >= 0) return this.sourceOf(at) !== from;
    if (this.transactions.add(transactionId)) this.dropOldest();
    const latest = this.runs.at(-1);
    if (latest?.source === from) latest.count += 1;
    else {
      const { source = from } = this.runs.find((run) => run.source === from) ?? {};
      this.runs = this.runs.concat({ source, count: 1 });
    }
    return false;
  }

  private sourceOf(at: number): string | undefined {
    let before = 0;
    return this.runs.find(({ count }) => (before += count) > at)?.source;
  }

  private dropOldest(): void {
    const [oldest] = this.runs;
    if (oldest === undefined) return;
    oldest.count -= 1;
    if (oldest.count === 0) this.runs = this.runs.slice(1);
  }
}
