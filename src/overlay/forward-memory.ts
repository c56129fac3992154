import type { NodeId } from '../base/node-id.ts';
import { MAX_RECENT_FORWARDS } from './constants.ts';

/**
 * Where requests were forwarded lately. RFC 6940 leaves retransmission to the ends; a peer that sees the same transaction
 * again knows that its last choice did not lead to an answer and can take another one.
 */
export class ForwardMemory {
  private readonly hops = new Map<bigint, NodeId>();

  lastHop(transactionId: bigint): NodeId | undefined {
    return this.hops.get(transactionId);
  }

  remember(transactionId: bigint, hop: NodeId): void {
    this.hops.delete(transactionId);
    this.hops.set(transactionId, hop);
    if (this.hops.size <= MAX_RECENT_FORWARDS) return;
    const [oldest] = this.hops.keys();
    if (oldest !== undefined) this.hops.delete(oldest);
  }
}
