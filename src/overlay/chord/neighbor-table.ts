import type { NodeId } from '../../base/node-id.ts';
import { REPLICAS } from '../constants.ts';
import type { RoutingTable } from './routing-table.ts';

/** The nearest peers on both sides (RFC 6940 s10.1), a view of the routing table. */
export class NeighborTable {
  private readonly routing: RoutingTable;
  /** How many are kept on each side. */
  readonly eachWay: number;

  constructor(routing: RoutingTable, eachWay: number) {
    this.routing = routing;
    this.eachWay = eachWay;
  }

  /** Nearest first. In a small ring a peer is predecessor and successor at once. */
  get predecessors(): NodeId[] {
    return this.routing.predecessors(this.eachWay);
  }

  /** Nearest first. */
  get successors(): NodeId[] {
    return this.routing.successors(this.eachWay);
  }

  get all(): NodeId[] {
    return [...new Set([...this.successors, ...this.predecessors])];
  }

  /** Whether a peer with this id would be a neighbour if it were in the routing table (s10.7.3). */
  wants(id: NodeId): boolean {
    return this.wanted([id]).length > 0;
  }

  /** Those of the ids of which `wants` is true, in their order. */
  wanted(ids: readonly NodeId[]): NodeId[] {
    const { ring, self } = this.routing;
    const lastSuccessor = this.successors[this.eachWay - 1];
    const lastPredecessor = this.predecessors[this.eachWay - 1];
    const isNear = (id: NodeId): boolean =>
      lastSuccessor === undefined ||
      lastPredecessor === undefined ||
      ring.insideOpen(id, self, lastSuccessor) ||
      ring.insideOpen(id, lastPredecessor, self);
    return ids.filter((id) => isNear(id) && id !== self && ring.contains(id) && !this.routing.has(id));
  }

  /** The peers that hold copies of what this one is responsible for (s10.4). */
  get replicaSet(): NodeId[] {
    return this.routing.successors(REPLICAS);
  }

  /** Whether this peer is responsible for the resource or holds a copy for one of its two predecessors (s10.7.3). */
  isInReplicaRange(resource: string): boolean {
    const predecessors = this.routing.predecessors(REPLICAS + 1);
    const last = predecessors[REPLICAS];
    // RFC 6940 s10.7.3: out of it once three predecessors lie between this peer and the resource.
    return last === undefined || this.routing.ring.insideUpTo(resource, last, this.routing.self);
  }
}
