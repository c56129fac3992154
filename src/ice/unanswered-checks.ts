import type { Candidate } from '../base/candidate.ts';
import { RateLimit } from '../base/rate-limit.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { MAX_REMOTES_COUNTED, UNANSWERED_CHECKS } from './constants.ts';

/**
 * How much may be sent to addresses that have answered nothing: the peer names candidates as it likes, and a check may come with
 * a forged source, so that a third party could be the one who gets what we send (RFC 8445 s19.5.1, the STUN amplification
 * attack). Whoever has answered once is asked without a bound.
 */
export class UnansweredChecks {
  private readonly all = new RateLimit(UNANSWERED_CHECKS.perSecond, UNANSWERED_CHECKS.burst);
  private readonly learned = new RateLimit(UNANSWERED_CHECKS.learnedPerSecond, UNANSWERED_CHECKS.learnedBurst);
  private readonly byAddress = new Map<string, RateLimit>();
  private readonly proven = new Set<string>();

  answeredBy(remote: SocketAddress): void {
    const key = formatSocketAddress(remote);
    this.proven.delete(key);
    this.proven.add(key);
    dropOldest(this.proven);
  }

  /** @returns whether one more may go there now. */
  take({ address: remote, type }: Candidate, now: number): boolean {
    if (this.proven.has(formatSocketAddress(remote))) return true;
    if (!this.ofAddress(remote.address).take(now)) return false;
    // No one but the source of a check has told of it.
    if (type === 'prflx' && !this.learned.take(now)) return false;
    return this.all.take(now);
  }

  private ofAddress(address: string): RateLimit {
    let limit = this.byAddress.get(address);
    if (limit === undefined) {
      limit = new RateLimit(UNANSWERED_CHECKS.addressPerSecond, UNANSWERED_CHECKS.addressBurst);
      this.byAddress.set(address, limit);
      dropOldest(this.byAddress);
    }
    return limit;
  }
}

function dropOldest(keyed: Set<string> | Map<string, unknown>): void {
  const [oldest] = keyed.keys();
  if (keyed.size > MAX_REMOTES_COUNTED && oldest !== undefined) keyed.delete(oldest);
}
