import type { NodeId } from '../base/node-id.ts';
import { MAX_CACHED_ANSWERS, MAX_CACHED_ANSWERS_EACH, REQUEST_LIFETIME_MS } from './constants.ts';

/** Kept while a request with an effect is being worked on. */
type Entry = { readonly requester: NodeId; readonly until: number; payload: Uint8Array | undefined };

/**
 * Answers of requests that must not be worked on twice (RFC 6940 s6.2.1): a retransmission within the lifetime of a
 * request gets the same bytes again. Bounded: the oldest leave first, of a node that has many its own.
 */
export class AnswerCache {
  private readonly entries = new Map<string, Entry>();
  private readonly countOf = new Map<NodeId, number>();

  get size(): number {
    return this.entries.size;
  }

  /** @returns 'new' when it is to be worked on, 'working' while there is no answer yet, else the answer's payload. */
  begin(requester: NodeId, transactionId: bigint, now: number): 'new' | 'working' | Uint8Array {
    this.expire(now);
    const key = keyOf(requester, transactionId);
    const known = this.entries.get(key);
    if (known !== undefined) return known.payload ?? 'working';
    const count = this.countOf.get(requester) ?? 0;
    if (count >= MAX_CACHED_ANSWERS_EACH) this.deleteOldest((entry) => entry.requester === requester);
    else if (this.entries.size >= MAX_CACHED_ANSWERS) this.deleteOldest(() => true);
    this.entries.set(key, { requester, until: now + REQUEST_LIFETIME_MS, payload: undefined });
    this.countOf.set(requester, (this.countOf.get(requester) ?? 0) + 1);
    return 'new';
  }

  /** The request is not worked on after all. */
  forget(requester: NodeId, transactionId: bigint): void {
    this.delete(keyOf(requester, transactionId));
  }

  finish(requester: NodeId, transactionId: bigint, payload: Uint8Array): void {
    const entry = this.entries.get(keyOf(requester, transactionId));
    if (entry !== undefined) entry.payload = payload;
  }

  private expire(now: number): void {
    // In order of arrival, which is the order of expiry.
    for (const [key, { until }] of this.entries) {
      if (until > now) return;
      this.delete(key);
    }
  }

  private deleteOldest(among: (entry: Entry) => boolean): void {
    for (const [key, entry] of this.entries)
      if (among(entry)) {
        this.delete(key);
        return;
      }
  }

  private delete(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    const count = (this.countOf.get(entry.requester) ?? 1) - 1;
    if (count > 0) this.countOf.set(entry.requester, count);
    else this.countOf.delete(entry.requester);
  }
}

function keyOf(requester: NodeId, transactionId: bigint): string {
  return `${requester}/${transactionId.toString(16)}`;
}
