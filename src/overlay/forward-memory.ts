import type { NodeId } from '../base/node-id.ts';
import { MAX_RECENT_FORWARDS, MAX_TRANSMISSIONS, REQUEST_LIFETIME_MS } from './constants.ts';

/** A request as it came. */
export interface Forwarded {
  readonly from: NodeId;
  readonly message: Uint8Array;
}

interface Memory extends Forwarded {
  /** Oldest first. */
  readonly hops: readonly NodeId[];
  readonly at: number;
}

/**
 * Where requests were forwarded lately. RFC 6940 leaves retransmission to the ends; a peer that sees the same transaction
 * again knows that its choices before did not lead to an answer and can take another one. So it can when the next hop turns
 * out to be gone: the sender learns of that only by its own timer.
 */
export class ForwardMemory {
  private readonly memories = new Map<bigint, Memory>();

  /** The hops that were tried. */
  tried(transactionId: bigint): ReadonlySet<NodeId> | undefined {
    const memory = this.memories.get(transactionId);
    return memory && new Set(memory.hops);
  }

  remember(transactionId: bigint, hop: NodeId, forwarded: Forwarded, now: number): void {
    const hops = [...(this.memories.get(transactionId)?.hops ?? []), hop].slice(-MAX_TRANSMISSIONS);
    this.memories.delete(transactionId);
    this.memories.set(transactionId, { ...forwarded, hops, at: now });
    if (this.memories.size <= MAX_RECENT_FORWARDS) return;
    const [oldest] = this.memories.keys();
    if (oldest !== undefined) this.memories.delete(oldest);
  }

  /** What went to this hop last, and may wait for its answer still. */
  lastSentTo(hop: NodeId, now: number): Forwarded[] {
    return [...this.memories.values()].filter(({ hops, at }) => hops.at(-1) === hop && now - at < REQUEST_LIFETIME_MS);
  }
}
