import type { NodeId } from '../base/node-id.ts';
import { MAX_RECENT_FORWARDS, MAX_TRANSMISSIONS } from './constants.ts';

/**
 * Where requests were forwarded lately. RFC 6940 leaves retransmission to the ends; a peer that sees the same transaction
 * again knows that its choices before did not lead to an answer and can take another one.
 */
export class ForwardMemory {
  private readonly hops = new Map<bigint, ReadonlySet<NodeId>>();

  /** The hops that were tried. */
  tried(transactionId: bigint): ReadonlySet<NodeId> | undefined {
    return this.hops.get(transactionId);
  }

  remember(transactionId: bigint, hop: NodeId): void {
    const tried = [...(this.hops.get(transactionId) ?? []), hop];
    this.hops.delete(transactionId);
    this.hops.set(transactionId, new Set(tried.slice(-MAX_TRANSMISSIONS)));
    if (this.hops.size <= MAX_RECENT_FORWARDS) return;
    const [oldest] = this.hops.keys();
    if (oldest !== undefined) this.hops.delete(oldest);
  }
}
