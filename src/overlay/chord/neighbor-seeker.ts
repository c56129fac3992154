import type { Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { Attacher } from '../attacher.ts';
import { FAILED_PEER_PAUSE_MS, MAX_FAILED_PEERS } from '../constants.ts';
import { type Requester, toNode } from '../requester.ts';
import type { NeighborTable } from './neighbor-table.ts';
import type { Ring } from './ring.ts';

/** Links to neighbours in the making. */
const MAX_SOUGHT = 16;
/** Ids of one Update that are looked at: neighbours on both sides and a full finger table. */
const MAX_TOLD = 256;

/** Links to peers that should be neighbours but are not yet (RFC 6940 s10.6, s10.7.3). */
export class NeighborSeeker implements Timed {
  private readonly neighbors: NeighborTable;
  private readonly ring: Ring;
  private readonly self: NodeId;
  private readonly requester: Requester;
  private readonly attacher: Attacher;
  private readonly isConnected: (nodeId: NodeId) => boolean;
  private readonly lostRetryMs: number;
  private readonly sought = new Set<NodeId>();
  /** Unreachable lately: not before this time again. */
  private readonly avoided = new Map<NodeId, number>();
  private retries = new TimerQueue<NodeId>();

  constructor(components: {
    neighbors: NeighborTable;
    ring: Ring;
    self: NodeId;
    requester: Requester;
    attacher: Attacher;
    isConnected: (nodeId: NodeId) => boolean;
    lostRetryMs: number;
  }) {
    this.neighbors = components.neighbors;
    this.ring = components.ring;
    this.self = components.self;
    this.requester = components.requester;
    this.attacher = components.attacher;
    this.isConnected = components.isConnected;
    this.lostRetryMs = components.lostRetryMs;
  }

  get busy(): boolean {
    return this.sought.size > 0;
  }

  /** Looks for nodes that an Update tells of; `via` is the peer that told. */
  consider(told: readonly NodeId[], via: NodeId | undefined, now: number): void {
    const wanted = [...new Set(told.slice(0, MAX_TOLD))].filter(
      (id) => this.neighbors.wants(id) && !this.isAvoided(id, now),
    );
    if (wanted.length === 0) return;
    // Those that are being linked count as neighbours already, or every newcomer would link to half of a small ring.
    const known = [...new Set([...wanted, ...this.sought, ...this.neighbors.all])];
    known.sort((a, b) => (this.ring.distance(this.self, a) < this.ring.distance(this.self, b) ? -1 : 1));
    const nearest = new Set([...known.slice(0, this.neighbors.eachWay), ...known.slice(-this.neighbors.eachWay)]);
    for (const id of wanted) if (nearest.has(id)) this.seek(id, via, now);
  }

  /** A neighbour's link is gone: perhaps only the link, so it is tried once more (s10.7.1). */
  lost(nodeId: NodeId, now: number): void {
    this.retries.set(nodeId, now + this.lostRetryMs);
  }

  /** The node is known to be gone. */
  avoid(nodeId: NodeId, now: number): void {
    this.retries.clear(nodeId);
    this.avoided.delete(nodeId);
    this.avoided.set(nodeId, now + FAILED_PEER_PAUSE_MS);
    if (this.avoided.size <= MAX_FAILED_PEERS) return;
    const [oldest] = this.avoided.keys();
    if (oldest !== undefined) this.avoided.delete(oldest);
  }

  reached(nodeId: NodeId): void {
    this.retries.clear(nodeId);
    this.avoided.delete(nodeId);
  }

  stop(): void {
    this.sought.clear();
    this.retries = new TimerQueue();
  }

  nextTimeout(): number | undefined {
    return this.retries.next();
  }

  handleTimeout(now: number): void {
    for (let id = this.retries.due(now); id !== undefined; id = this.retries.due(now))
      if (this.neighbors.wants(id)) this.seek(id, undefined, now);
  }

  private seek(nodeId: NodeId, via: NodeId | undefined, now: number): void {
    if (this.sought.has(nodeId) || this.sought.size >= MAX_SOUGHT) return;
    this.sought.add(nodeId);
    if (this.isConnected(nodeId)) {
      this.askForUpdate(nodeId, now);
      return;
    }
    this.attacher.attach(nodeId, { ...(via !== undefined && { via }), sendUpdate: true }, now, (result, at) => {
      this.sought.delete(nodeId);
      if (!result.ok) this.avoid(nodeId, at);
    });
  }

  /** Linked, but it has not said that it is a peer: RouteQuery makes it send an Update (s6.4.2.4). */
  private askForUpdate(nodeId: NodeId, now: number): void {
    const body = {
      type: 'route_query_req' as const,
      sendUpdate: true,
      destination: toNode(this.self),
      overlaySpecificData: new Uint8Array(),
    };
    this.requester.request({ destination: [toNode(nodeId)], body, firstHop: nodeId }, now, (_, at) => {
      this.sought.delete(nodeId);
      // Its Update comes now or not at all, as from a client.
      this.avoid(nodeId, at);
    });
  }

  private isAvoided(nodeId: NodeId, now: number): boolean {
    return (this.avoided.get(nodeId) ?? 0) > now;
  }
}
