import type { NodeId } from '../../base/node-id.ts';

/** The longest pause, in pauses. */
const MAX_PAUSES = 16;

interface Avoided {
  failures: number;
  until: number;
}

/**
 * Nodes that could not be reached lately, by who told of them: a node that cannot be reached through one peer, which may
 * be to blame, may be through another. Bounded; what was noted longest ago leaves first.
 */
export class AvoidedPeers {
  private readonly pauseMs: number;
  private readonly max: number;
  private readonly entries = new Map<NodeId, Map<NodeId, Avoided>>();
  private readonly goneUntil = new Map<NodeId, number>();

  constructor(options: { pauseMs: number; max: number }) {
    this.pauseMs = options.pauseMs;
    this.max = options.max;
  }

  /** An attempt failed that `teller` was the cause of; each further one makes the pause twice as long. */
  failed(teller: NodeId, nodeId: NodeId, now: number): void {
    const of = this.entries.get(nodeId) ?? new Map<NodeId, Avoided>();
    const failures = (of.get(teller)?.failures ?? 0) + 1;
    of.delete(teller);
    of.set(teller, { failures, until: now + this.pauseMs * Math.min(MAX_PAUSES, 2 ** (failures - 1)) });
    dropOldest(of, this.max);
    this.entries.delete(nodeId);
    this.entries.set(nodeId, of);
    dropOldest(this.entries, this.max);
  }

  /** Nobody needs to try it for a pause. */
  gone(nodeId: NodeId, now: number): void {
    this.goneUntil.delete(nodeId);
    this.goneUntil.set(nodeId, now + this.pauseMs);
    dropOldest(this.goneUntil, this.max);
  }

  reached(nodeId: NodeId): void {
    this.entries.delete(nodeId);
    this.goneUntil.delete(nodeId);
  }

  failures(teller: NodeId, nodeId: NodeId): number {
    return this.entries.get(nodeId)?.get(teller)?.failures ?? 0;
  }

  /** Not to be tried on the word of `teller` before. */
  until(teller: NodeId, nodeId: NodeId): number {
    return Math.max(this.goneUntil.get(nodeId) ?? 0, this.entries.get(nodeId)?.get(teller)?.until ?? 0);
  }
}

function dropOldest<K, V>(map: Map<K, V>, max: number): void {
  if (map.size <= max) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
