import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { MAX_CHECKS_SEEN } from './constants.ts';

/**
 * Where checks of the peer came from, by transaction. Whoever captures one can send copies of it as from anywhere; the peer
 * itself repeats a check from where it has sent it.
 */
export class SeenChecks {
  private readonly sources = new Map<string, string>();

  /** @returns whether the check came from another address before. */
  isReplay(transactionId: string, source: SocketAddress): boolean {
    const from = formatSocketAddress(source);
    const known = this.sources.get(transactionId);
    if (known !== undefined) return known !== from;
    this.sources.set(transactionId, from);
    const [oldest] = this.sources.keys();
    if (this.sources.size > MAX_CHECKS_SEEN && oldest !== undefined) this.sources.delete(oldest);
    return false;
  }
}
