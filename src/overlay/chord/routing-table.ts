import type { NodeId } from '../../base/node-id.ts';
import type { Ring } from './ring.ts';

/**
 * Every peer this node may route through: the union of neighbor table and finger table (RFC 6940 s10.3), kept as one
 * list in ring order. Neighbours and fingers are views of it, so that the best replacement of a lost one is always the
 * next in the list (s10.7.1). A sorted array, as it has tens of entries.
 */
export class RoutingTable {
  readonly ring: Ring;
  readonly self: NodeId;
  private readonly sorted: NodeId[] = [];

  constructor(ring: Ring, self: NodeId) {
    this.ring = ring;
    this.self = self;
  }

  get size(): number {
    return this.sorted.length;
  }

  get peers(): readonly NodeId[] {
    return this.sorted;
  }

  has(id: NodeId): boolean {
    return this.sorted[this.lowerBound(id)] === id;
  }

  /** @returns false when it is there already, is this node itself or lies on another ring. */
  add(id: NodeId): boolean {
    if (id === this.self || !this.ring.contains(id)) return false;
    const at = this.lowerBound(id);
    if (this.sorted[at] === id) return false;
    this.sorted.splice(at, 0, id);
    return true;
  }

  remove(id: NodeId): boolean {
    const at = this.lowerBound(id);
    if (this.sorted[at] !== id) return false;
    this.sorted.splice(at, 1);
    return true;
  }

  /** The next peers clockwise, nearest first. */
  successors(count: number): NodeId[] {
    return this.walk(this.lowerBound(this.self), 1, count);
  }

  /** The next peers counter-clockwise, nearest first. */
  predecessors(count: number): NodeId[] {
    return this.walk(this.lowerBound(this.self) - 1, -1, count);
  }

  /** The first peer clockwise from `start`, `start` included. */
  firstFrom(start: string): NodeId | undefined {
    return this.sorted[this.lowerBound(start)] ?? this.sorted[0];
  }

  /** RFC 6940 s10.1: k in (predecessor, self]. A peer alone is responsible for everything. */
  isResponsibleFor(k: string): boolean {
    const predecessor = this.predecessors(1)[0] ?? this.self;
    return this.ring.insideUpTo(k, predecessor, this.self);
  }

  /**
   * RFC 6940 s10.3: the largest id in (self, k), else the smallest that is not less than k. `avoid` is passed over while
   * there is another way; but not when it is itself the peer that should be responsible.
   */
  nextHop(k: string, avoid?: ReadonlySet<NodeId>): NodeId | undefined {
    const start = this.lowerBound(k);
    // Counter-clockwise from k, that is the largest in (self, k) first.
    for (let steps = 1; steps <= this.sorted.length; steps++) {
      const id = this.circular(start - steps);
      if (id === undefined || !this.ring.insideOpen(id, this.self, k)) break;
      if (avoid?.has(id) !== true) return id;
    }
    return this.circular(start);
  }

  private walk(from: number, step: 1 | -1, count: number): NodeId[] {
    const out: NodeId[] = [];
    for (let i = 0; i < Math.min(count, this.sorted.length); i++) {
      const id = this.circular(from + i * step);
      if (id !== undefined) out.push(id);
    }
    return out;
  }

  private circular(index: number): NodeId | undefined {
    const length = this.sorted.length;
    return length === 0 ? undefined : this.sorted[((index % length) + length) % length];
  }

  /** Index of the first entry that is not less than `id` in text order. */
  private lowerBound(id: string): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.sorted[middle] ?? '') < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
