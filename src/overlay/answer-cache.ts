import type { NodeId } from '../base/node-id.ts';
import { MAX_CACHED_ANSWERS, REQUEST_LIFETIME_MS } from './constants.ts';

/** Kept while a request with an effect is being worked on. */
type Entry = { readonly until: number; payload: Uint8Array | undefined };

/**
 * Answers of requests that must not be worked on twice (RFC 6940 s6.2.1): a retransmission within the lifetime of a
 * request gets the same bytes again. Bounded: the oldest leave first.
 */
export class AnswerCache {
  private readonly entries = new Map<string, Entry>();

  get size(): number {
    return this.entries.size;
  }

  /** @returns 'new' when it is to be worked on, 'working' while there is no answer yet, else the answer's payload. */
  begin(requester: NodeId, transactionId: bigint, now: number): 'new' | 'working' | Uint8Array {
    this.expire(now);
    const key = keyOf(requester, transactionId);
    const known = this.entries.get(key);
    if (known !== undefined) return known.payload ?? 'working';
    if (this.entries.size >= MAX_CACHED_ANSWERS) {
      const [oldest] = this.entries.keys();
      if (oldest !== undefined) this.entries.delete(oldest);
    }
    this.entries.set(key, { until: now + REQUEST_LIFETIME_MS, payload: undefined });
    return 'new';
  }

  finish(requester: NodeId, transactionId: bigint, payload: Uint8Array): void {
    const entry = this.entries.get(keyOf(requester, transactionId));
    if (entry !== undefined) entry.payload = payload;
  }

  private expire(now: number): void {
    // In order of arrival, which is the order of expiry.
    for (const [key, { until }] of this.entries) {
      if (until > now) return;
      this.entries.delete(key);
    }
  }
}

function keyOf(requester: NodeId, transactionId: bigint): string {
  return `${requester}/${transactionId.toString(16)}`;
}
