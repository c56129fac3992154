import type { SocketAddress } from '../base/socket-address.ts';
import { sameSocketAddress } from '../base/socket-address.ts';
import type { StunMessage } from '../stun/message.ts';
import { MAX_EARLY_CHECKS } from './constants.ts';

/** A check that came before the peer's parameters (RFC 8445 s7.3). */
interface EarlyCheck {
  readonly request: StunMessage;
  /** The ufrag of who sent it. */
  readonly asker: string;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/** The latest check of each pair, until it is known whether they were the peer's. Bounded. */
export class EarlyChecks {
  private checks: EarlyCheck[] = [];

  add(check: EarlyCheck): void {
    this.checks = this.checks.filter(
      ({ local, remote }) => !sameSocketAddress(local, check.local) || !sameSocketAddress(remote, check.remote),
    );
    if (this.checks.length < MAX_EARLY_CHECKS) this.checks.push(check);
  }

  /** @returns those of `asker`; none is left. */
  take(asker: string): EarlyCheck[] {
    const checks = this.checks.filter((check) => check.asker === asker);
    this.clear();
    return checks;
  }

  clear(): void {
    this.checks = [];
  }
}
