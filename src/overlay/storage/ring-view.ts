import type { NodeId, ResourceId } from '../../base/node-id.ts';
import type { Topology } from '../chord/topology.ts';
import { SETTLED_PEER_MS } from '../constants.ts';
import type { PlaceView } from './admission.ts';

/** The ring as storage sees it: who keeps which place, and since when. */
export class RingView implements PlaceView {
  private readonly topology: Topology;
  private readonly neighborSince = new Map<NodeId, number>();
  private predecessor: NodeId | undefined;
  private rangeSince = -Infinity;

  constructor(topology: Topology) {
    this.topology = topology;
  }

  get isMember(): boolean {
    return this.topology.isMember;
  }

  get isJoining(): boolean {
    return this.topology.isEntering;
  }

  get successor(): NodeId | undefined {
    return this.topology.routing.successors(1)[0];
  }

  isResponsibleFor(resource: ResourceId): boolean {
    return this.topology.isResponsibleFor(resource);
  }

  isInReplicaRange(resource: ResourceId): boolean {
    return this.topology.neighbors.isInReplicaRange(resource);
  }

  isPeer(nodeId: NodeId): boolean {
    return this.topology.routing.has(nodeId);
  }

  likelyResponsible(resource: ResourceId): NodeId | undefined {
    return this.topology.routing.firstFrom(resource);
  }

  isCloser(nodeId: NodeId, resource: ResourceId, than: NodeId): boolean {
    return this.topology.ring.insideOpen(nodeId, resource, than);
  }

  isSettled(nodeId: NodeId, now: number): boolean {
    const since = this.neighborSince.get(nodeId);
    return since !== undefined && now - since >= SETTLED_PEER_MS;
  }

  /** The range of this peer is not what it was a moment ago: it may lack what belongs there, or know its neighbours wrongly. */
  isInMotion(now: number): boolean {
    return now < this.rangeSince + SETTLED_PEER_MS;
  }

  neighborsChanged(now: number): void {
    const [predecessor] = this.topology.neighbors.predecessors;
    if (predecessor !== this.predecessor) this.rangeSince = now;
    this.predecessor = predecessor;
    const neighbors = this.topology.neighbors.all;
    for (const id of this.neighborSince.keys()) if (!neighbors.includes(id)) this.neighborSince.delete(id);
    for (const id of neighbors) if (!this.neighborSince.has(id)) this.neighborSince.set(id, now);
  }
}
