import type { NodeId } from '../base/node-id.ts';

/** What one node may have at once, and how fast it comes back. */
export interface Rate {
  readonly burst: number;
  readonly intervalMs: number;
}

/**
 * A token bucket for each node: work that a node causes here is bounded, whatever it sends. Of too many nodes the one
 * that was served longest ago is forgotten.
 */
export class RateLimiter {
  private readonly rate: Rate;
  private readonly maxNodes: number;
  /** When the bucket of each node will be full again, in the order of use. */
  private readonly fullAt = new Map<NodeId, number>();

  constructor(rate: Rate, maxNodes: number) {
    this.rate = rate;
    this.maxNodes = maxNodes;
  }

  get size(): number {
    return this.fullAt.size;
  }

  /** When the node has a token: now, or later. */
  availableAt(nodeId: NodeId, now: number): number {
    const { burst, intervalMs } = this.rate;
    return Math.max(now, (this.fullAt.get(nodeId) ?? now) - (burst - 1) * intervalMs);
  }

  /** Takes a token of the node; false when it has none. */
  take(nodeId: NodeId, now: number): boolean {
    if (this.availableAt(nodeId, now) > now) return false;
    const fullAt = Math.max(this.fullAt.get(nodeId) ?? now, now) + this.rate.intervalMs;
    this.fullAt.delete(nodeId);
    this.fullAt.set(nodeId, fullAt);
    if (this.fullAt.size > this.maxNodes) {
      const [oldest] = this.fullAt.keys();
      if (oldest !== undefined) this.fullAt.delete(oldest);
    }
    return true;
  }
}
