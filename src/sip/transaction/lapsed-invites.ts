import type { Timed } from '../../base/clock.ts';
import type { SipResponse } from '../message/message.ts';
import { MAX_LAPSED, TRANSACTION_TIMEOUT_MS } from './constants.ts';

interface Lapsed {
  readonly until: number;
  readonly onLate: (response: SipResponse, now: number) => void;
}

/**
 * INVITEs whose transactions ended without an answer, by their client keys. Who was out of reach meanwhile may answer yet, and is in a
 * call then that nobody holds. RFC 3261 knows no such thing: whoever answers repeats it for 64*T1, and so long it is waited for here.
 */
export class LapsedInvites implements Timed {
  /** The oldest first: all of them last as long. */
  private readonly lapsed = new Map<string, Lapsed>();

  get size(): number {
    return this.lapsed.size;
  }

  add(key: string, onLate: Lapsed['onLate'], now: number): void {
    this.lapsed.set(key, { until: now + TRANSACTION_TIMEOUT_MS, onLate });
    const [oldest] = this.lapsed.keys();
    if (this.lapsed.size > MAX_LAPSED && oldest !== undefined) this.lapsed.delete(oldest);
  }

  /** @returns whether the response is one of those. */
  receive(key: string, response: SipResponse, now: number): boolean {
    const found = response.status >= 200 && response.status < 300 ? this.lapsed.get(key) : undefined;
    found?.onLate(response, now);
    return found !== undefined;
  }

  nextTimeout(): number | undefined {
    const [oldest] = this.lapsed.values();
    return oldest?.until;
  }

  handleTimeout(now: number): void {
    for (const [key, { until }] of this.lapsed) {
      if (until > now) return;
      this.lapsed.delete(key);
    }
  }
}
