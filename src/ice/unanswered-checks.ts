import type { Candidate } from '../base/candidate.ts';
import { RateLimit } from '../base/rate-limit.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { MAX_REMOTES_COUNTED, UNANSWERED_CHECKS } from './constants.ts';

interface Limits {
  readonly all: RateLimit;
  readonly learned: RateLimit;
  readonly byAddress: Map<string, RateLimit>;
}

/**
 * How much may be sent to addresses that have answered nothing: the peer names candidates as it likes, and a check may come with
 * a forged source, so that a third party could be the one who gets what we send (RFC 8445 s19.5.1, the STUN amplification
 * attack). Whoever has answered once is asked without a bound.
 */
export class UnansweredChecks {
  /** Absent where nothing that counts was sent. */
  private limits: Limits | undefined;
  /** The latest last. */
  private proven: readonly string[] = [];

  answeredBy(remote: SocketAddress): void {
    const key = formatSocketAddress(remote);
    if (this.proven.at(-1) === key) return;
    this.proven = this.proven
      .filter((other) => other !== key)
      .slice(1 - MAX_REMOTES_COUNTED)
      .concat(key);
  }

  /** @returns whether one more may go there now. */
  take({ address: remote, type }: Candidate, now: number): boolean {
    if (this.proven.includes(formatSocketAddress(remote))) return true;
    this.limits ??= {
      all: new RateLimit(UNANSWERED_CHECKS.perSecond, UNANSWERED_CHECKS.burst),
      learned: new RateLimit(UNANSWERED_CHECKS.learnedPerSecond, UNANSWERED_CHECKS.learnedBurst),
      byAddress: new Map(),
    };
    const { all, learned, byAddress } = this.limits;
    if (!limitOf(byAddress, remote.address).take(now)) return false;
    // No one but the source of a check has told of it.
    if (type === 'prflx' && !learned.take(now)) return false;
    return all.take(now);
  }

  /** What was sent so long ago that it does not count any more is forgotten. */
  tidy(now: number): void {
    const { limits } = this;
    if (limits === undefined) return;
    if ([limits.all, limits.learned, ...limits.byAddress.values()].every((limit) => limit.isFull(now)))
      this.limits = undefined;
  }
}

function limitOf(byAddress: Map<string, RateLimit>, address: string): RateLimit {
  let limit = byAddress.get(address);
  if (limit === undefined) {
    limit = new RateLimit(UNANSWERED_CHECKS.addressPerSecond, UNANSWERED_CHECKS.addressBurst);
    byAddress.set(address, limit);
    const [oldest] = byAddress.keys();
    if (byAddress.size > MAX_REMOTES_COUNTED && oldest !== undefined) byAddress.delete(oldest);
  }
  return limit;
}
