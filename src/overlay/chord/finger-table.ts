import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import { MAX_FINGERS, MIN_FINGERS } from '../constants.ts';
import type { RoutingTable } from './routing-table.ts';

/** A finger that has no valid peer, and an id in its range to look for one at. */
export interface FingerSearch {
  readonly index: number;
  readonly target: string;
}

/**
 * RFC 6940 s10.7.4.2: finger i of n is valid when it lies in [n + 2^(bits-i), n + 2^(bits-i+1)). Entries are not
 * stored: finger i is the first peer of the routing table in its range.
 */
export class FingerTable {
  private readonly routing: RoutingTable;

  constructor(routing: RoutingTable) {
    this.routing = routing;
  }

  /** The peer of finger `index`, counted from 1; undefined when no known peer is in the range. */
  finger(index: number): NodeId | undefined {
    const { ring, self } = this.routing;
    const start = ring.fingerStart(self, index);
    const id = this.routing.firstFrom(start);
    return id !== undefined && this.isValid(index, id) ? id : undefined;
  }

  isValid(index: number, id: NodeId): boolean {
    const { ring, self } = this.routing;
    const distance = ring.distance(self, id);
    const low = 1n << BigInt(ring.bits - index);
    return ring.contains(id) && distance >= low && distance < low << 1n;
  }

  /** Distinct valid fingers in ascending order of the Node-ID, as a full Update lists them (s10.7). */
  get entries(): NodeId[] {
    const out = new Set<NodeId>();
    for (let i = 1; i <= MAX_FINGERS && i <= this.routing.ring.bits; i++) {
      const id = this.finger(i);
      if (id !== undefined) out.add(id);
    }
    return [...out].sort();
  }

  /**
   * Fingers without a peer, widest range first. Ranges that end before the last of the nearest successors are left out:
   * every peer there is a neighbour already (s10.7.4.3).
   */
  missing(lastSuccessor: NodeId | undefined): number[] {
    const { ring, self } = this.routing;
    if (lastSuccessor === undefined) return [];
    const covered = ring.distance(self, lastSuccessor);
    const out: number[] = [];
    for (let i = 1; i <= Math.max(MIN_FINGERS, MAX_FINGERS) && i <= ring.bits; i++) {
      const end = 1n << BigInt(ring.bits - i + 1);
      if (end <= covered) break;
      if (this.finger(i) === undefined) out.push(i);
    }
    return out;
  }

  /** s10.7.4.2 alternative 1: each missing finger in turn with probability 1/2, at a random id of its range. */
  pickSearch(lastSuccessor: NodeId | undefined, random: Random): FingerSearch | undefined {
    const missing = this.missing(lastSuccessor);
    const index = missing.find(() => random.float() < 0.5) ?? missing[0];
    return index === undefined ? undefined : this.searchFor(index, random);
  }

  searchFor(index: number, random: Random): FingerSearch {
    const { ring, self } = this.routing;
    const start = ring.fingerStart(self, index);
    return { index, target: ring.randomFrom(start, ring.bits - index, random) };
  }
}
