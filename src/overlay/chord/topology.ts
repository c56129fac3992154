import { earliest, type Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { ChordUpdate, Destination } from '../../reload/index.ts';
import type { Attacher } from '../attacher.ts';
import {
  MAX_LIMITED_NODES,
  MIN_STAYING_PEERS,
  REPLICAS,
  REQUEST_LIFETIME_MS,
  RESTART_RATE,
  UPDATE_DELAY_MS,
} from '../constants.ts';
import type { OverlayEvent, OverlayRole, OverlayState } from '../events.ts';
import { RateLimiter } from '../rate-limiter.ts';
import { type Requester, toNode } from '../requester.ts';
import type { OverlaySettings } from '../settings.ts';
import { ClientAttachment } from './client-attachment.ts';
import { Farewell } from './farewell.ts';
import { FingerSearcher } from './finger-searcher.ts';
import { FingerTable } from './finger-table.ts';
import { Joining } from './joining.ts';
import { LostPeers } from './lost-peers.ts';
import { NeighborSeeker } from './neighbor-seeker.ts';
import { NeighborTable } from './neighbor-table.ts';
import { RingProber } from './ring-prober.ts';
import type { Ring } from './ring.ts';
import { RoutingTable } from './routing-table.ts';
import { type UpdateKind, UpdateSender } from './update-sender.ts';

export interface TopologyComponents {
  readonly self: NodeId;
  readonly role: OverlayRole;
  readonly settings: OverlaySettings;
  readonly requester: Requester;
  readonly attacher: Attacher;
  readonly random: Random;
  readonly logger: Logger;
  readonly emit: (event: OverlayEvent, now: number) => void;
  /** Stores at a newcomer what it becomes responsible for, (from, nodeId]; `done` when that ended, well or not. */
  readonly handOver: (nodeId: NodeId, from: NodeId, now: number, done: (now: number) => void) => void;
  /** What a newcomer is given can be judged by it: it knows the time. */
  readonly mayEnter: () => boolean;
  /** A link is there, and its path works: what is being moved to another network is not sent to directly. */
  readonly isUsable: (nodeId: NodeId) => boolean;
  /** What the peer stored may be gone: it went away, or came back with nothing. */
  readonly forgetCopies: (nodeId: NodeId) => void;
  /** The neighbours are others: copies may be missing. `lost`: one of them went away. */
  readonly neighborsChanged: (lost: boolean, now: number) => void;
}

/** An Update may be this old when it arrives: uptime has seconds, and retransmissions carry the first one's. */
const RESTART_TOLERANCE_MS = REQUEST_LIFETIME_MS + 2_000;

/** So long after its Leave no Update of a peer is on its way any more. */
const DEPARTED_MS = RESTART_TOLERANCE_MS;

/** Between two Updates to every linked node, clients included: neighbours hear of each change at once. */
const TELL_ALL_GAP_MS = 2_000;

type TimerName = 'update' | 'tellAll' | 'stabilize' | 'left';

/**
 * The Topology Plug-in CHORD-RELOAD (RFC 6940 s10): who is next on the ring, who is responsible for what, and the
 * Updates, joins and leaves that keep it so.
 */
export class Topology implements Timed {
  readonly self: NodeId;
  readonly ring: Ring;
  readonly routing: RoutingTable;
  readonly neighbors: NeighborTable;
  readonly fingers: FingerTable;
  private readonly settings: OverlaySettings;
  private readonly requester: Requester;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly components: TopologyComponents;
  /** Linked peers that acknowledge nothing now. */
  private readonly silenced = new Set<NodeId>();
  /** Neighbours that are asked whether they are there. */
  private readonly doubted = new Set<NodeId>();
  private readonly connected = new Set<NodeId>();
  /**
   * Linked still, but they have said goodbye: an Update of theirs was overtaken by their Leave. Until it cannot be under way
   * any more; whose link lives then is a client.
   */
  private readonly departed = new TimerQueue<NodeId>();
  /** Linked without an Attach. */
  private readonly direct = new Set<NodeId>();
  /** When each peer started, as its Updates tell. */
  private readonly startOf = new Map<NodeId, number>();
  private readonly restarts = new RateLimiter(RESTART_RATE, MAX_LIMITED_NODES);
  /** Of linked peers, as their latest Updates tell. */
  private readonly predecessorOf = new Map<NodeId, NodeId>();
  private readonly timers = new TimerQueue<TimerName>();
  private readonly updates: UpdateSender;
  private readonly joining: Joining;
  private readonly client: ClientAttachment;
  private readonly seeker: NeighborSeeker;
  private readonly searcher: FingerSearcher;
  private readonly prober: RingProber;
  private readonly lostPeers: LostPeers;
  private readonly farewell: Farewell;
  private current: OverlayState = 'idle';
  private currentRole: OverlayRole;
  private gateway: NodeId | undefined;
  private startedAt = 0;
  private leaving = false;
  /** It leaves the overlay, not only the ring. */
  private forGood = false;
  /** A client that is joining the ring; it stays a client until it is there. */
  private candidate = false;
  private toldPredecessor: NodeId | undefined;
  private toldNeighbors = '';
  /** When every linked node was told of this peer's range. */
  private toldAllAt = -Infinity;

  constructor(components: TopologyComponents) {
    const { self, role, settings, requester, attacher, random, logger } = components;
    this.components = components;
    this.self = self;
    this.currentRole = role;
    this.ring = settings.ring;
    this.settings = settings;
    this.requester = requester;
    this.random = random;
    this.logger = logger;
    this.routing = new RoutingTable(settings.ring, self);
    this.neighbors = new NeighborTable(this.routing, settings.neighborsEachWay);
    this.fingers = new FingerTable(this.routing);
    this.updates = new UpdateSender({
      requester,
      compose: (kind, now) => this.composeUpdate(kind, now),
      failed: (nodeId, now) => {
        if (this.peerLost(nodeId, now) && this.routing.size === 0) this.components.emit({ type: 'isolated' }, now);
      },
    });
    const isConnected = (nodeId: NodeId): boolean => this.connected.has(nodeId);
    this.seeker = new NeighborSeeker({
      neighbors: this.neighbors,
      ring: this.ring,
      self,
      requester,
      attacher,
      isConnected,
      lostRetryMs: settings.lostNeighborRetryMs,
    });
    this.searcher = new FingerSearcher({
      fingers: this.fingers,
      neighbors: this.neighbors,
      requester,
      attacher,
      random,
      isConnected,
      intervalMs: settings.pingIntervalMs,
    });
    const isMember = (): boolean => this.isMember;
    this.prober = new RingProber({
      host: {
        self,
        ring: this.ring,
        get isMember() {
          return isMember();
        },
        isConnected,
        isPeer: (nodeId) => this.routing.has(nodeId),
      },
      requester,
      attacher,
    });
    this.lostPeers = new LostPeers({
      random,
      search: (nodeId, now) => components.emit({ type: 'seekPeer', nodeId }, now),
    });
    this.farewell = new Farewell({ self, requester });
    const { seeker } = this;
    const hasWayOut = (): boolean => this.wayOut() !== undefined;
    this.joining = new Joining({
      host: {
        self,
        ring: this.ring,
        seeksNeighbors: (now) => seeker.awaitsSome(now),
        isConnected,
        mayEnter: components.mayEnter,
        hasWayOut,
        entered: (now) => this.enter(now),
      },
      requester,
      attacher,
      random,
      logger,
    });
    this.client = new ClientAttachment({
      host: {
        self,
        ring: this.ring,
        isConnected,
        isAnswering: (nodeId) => this.connected.has(nodeId) && !this.silenced.has(nodeId) && !this.departed.has(nodeId),
        hasWayOut,
        attached: (id, now) => this.clientAttached(id, now),
      },
      requester,
      attacher,
      random,
      checkIntervalMs: settings.clientCheckIntervalMs,
    });
  }

  get role(): OverlayRole {
    return this.currentRole;
  }

  /** It has said goodbye to the ring, or is about to. */
  get isLeaving(): boolean {
    return this.leaving;
  }

  get state(): OverlayState {
    return this.current;
  }

  get connections(): ReadonlySet<NodeId> {
    return this.connected;
  }

  /** For a client: the peer that is responsible for it, once linked. */
  get responsiblePeer(): NodeId | undefined {
    return this.client.responsiblePeer;
  }

  /** Peers that others have told of and that are not linked. */
  get toldPeers(): readonly NodeId[] {
    return this.client.toldPeers.filter((id) => !this.connected.has(id));
  }

  /** Peers whose links ended without a farewell, and that are looked for. */
  get lostPeerCount(): number {
    return this.lostPeers.size;
  }

  uptimeS(now: number): number {
    return Math.floor((now - this.startedAt) / 1000);
  }

  /** Starts a ring of one, also while joining: linked nodes are told, and join or are of one ring with it. */
  create(now: number): void {
    this.joining.stop();
    this.client.stop();
    this.currentRole = 'peer';
    this.startedAt = now;
    this.enter(now);
  }

  /**
   * Enters the overlay of a linked node. While in an overlay already it looks for a second ring at that node and heals
   * the partition (s10.7.4.4).
   */
  join(bootstrap: NodeId, role: OverlayRole, now: number): void {
    if (this.current === 'left') return;
    if (this.current === 'idle') this.currentRole = role;
    this.gateway = bootstrap;
    if (this.current === 'joined' && this.role === 'peer') {
      this.prober.probe(bootstrap, now);
      return;
    }
    if (this.current !== 'joined') {
      this.current = 'joining';
      this.startedAt = now;
    }
    if (this.role === 'client') this.client.start(now);
    else this.joining.start(now);
  }

  /** Tells the linked nodes; the node is gone when the peers have answered, or after a moment (s10.9). */
  leave(now: number): void {
    if (this.current === 'left' || this.forGood) return;
    this.forGood = true;
    this.candidate = false;
    this.joining.stop();
    this.client.stop();
    const isToldAlready = this.leaving;
    this.leaving = true;
    if (!this.isMember || isToldAlready) {
      this.farewell.stop();
      this.timers.set('left', now);
    } else this.sayGoodbye(now, (_, at) => this.becomeLeft(at));
  }

  // Changes of role

  /** Enough peers would hold the ring without this one. */
  get mayStepDown(): boolean {
    return this.isMember && !this.leaving && this.usablePeers >= MIN_STAYING_PEERS;
  }

  /** A client on its way into the ring. */
  get isCandidate(): boolean {
    return this.candidate;
  }

  /** On its way into the ring: neighbours hand over what it will be responsible for. */
  get isEntering(): boolean {
    return this.candidate || (this.current === 'joining' && this.role === 'peer');
  }

  /** A client joins the ring, over the links that it has; it stays a client in every respect until it is there. */
  becomePeer(now: number): void {
    if (this.role === 'peer' || this.candidate || this.forGood) return;
    if (this.current !== 'joined' && this.current !== 'joining') return;
    this.startedAt = now;
    if (this.current === 'joined') this.candidate = true;
    else {
      this.client.stop();
      this.currentRole = 'peer';
      this.components.emit({ type: 'roleChanged', role: 'peer' }, now);
    }
    this.joining.start(now);
  }

  /**
   * Tells the linked nodes that this peer leaves the ring; then `becomeClient` ends it.
   * @param told `isFree`: enough peers stay. Otherwise this one stays too: others are leaving at the same time.
   */
  stepDown(now: number, told: (isFree: boolean, now: number) => void): void {
    this.leaving = true;
    this.sayGoodbye(now, (staying, at) => {
      const isFree = staying >= MIN_STAYING_PEERS;
      if (!isFree) this.stay(at);
      told(isFree, at);
    });
  }

  /** Ends `stepDown`: a client of the peer that comes after it. @returns false: it stays, alone. */
  becomeClient(now: number): boolean {
    const [next] = this.neighbors.successors;
    if (this.forGood) return false;
    if (next === undefined) {
      this.stay(now);
      return false;
    }
    this.leaving = false;
    this.farewell.stop();
    this.stopRing();
    this.toldPredecessor = undefined;
    this.toldNeighbors = '';
    this.currentRole = 'client';
    this.components.emit({ type: 'roleChanged', role: 'client' }, now);
    this.client.start(now, next);
    return true;
  }

  /** It is no peer and said so, but whoever names it in its Update has not heard it. */
  private correct(from: NodeId, told: readonly NodeId[], now: number): void {
    if (!this.candidate && told.includes(this.self)) this.farewell.tell(from, now);
  }

  /** Those who were told take its Updates again after a while. */
  private stay(now: number): void {
    this.leaving = false;
    this.changed(false, now);
    this.timers.set('tellAll', now + DEPARTED_MS + TELL_ALL_GAP_MS);
    this.armStabilization(now);
  }

  private sayGoodbye(now: number, done: (staying: number, now: number) => void): void {
    this.timers.clear('update');
    this.timers.clear('tellAll');
    this.timers.clear('stabilize');
    this.updates.stop();
    const { predecessors, successors } = this.neighbors;
    const { peers } = this.routing;
    const others = [...this.connected].filter((id) => !this.routing.has(id));
    this.farewell.start({ peers, predecessors, successors, others }, now, done);
  }

  private get usablePeers(): number {
    return this.routing.peers.filter((id) => this.components.isUsable(id)).length;
  }

  linkUp(nodeId: NodeId, now: number): void {
    this.connected.add(nodeId);
    this.departed.clear(nodeId);
    // It may have started anew: that it is a peer, and what it holds, is for it to say over the new link.
    this.components.forgetCopies(nodeId);
    this.peerLost(nodeId, now);
    // To its former life: what is sent now would wait for the answer.
    this.updates.forget(nodeId);
    this.seeker.reached(nodeId);
    this.lostPeers.remove(nodeId);
    if (!this.components.attacher.isPending(nodeId)) this.direct.add(nodeId);
    if (this.isEntering) this.joining.linkUp(nodeId, now);
    this.usable(nodeId, now);
  }

  /** Messages get through to it again: what it had begun for us goes on, and it gets back the place that it lost by its silence. */
  linkMended(nodeId: NodeId, now: number): void {
    if (this.connected.has(nodeId)) this.usable(nodeId, now);
  }

  private usable(nodeId: NodeId, now: number): void {
    if (this.silenced.delete(nodeId)) this.seeker.consider([nodeId], this.self, undefined, now);
    if (this.isMember && !this.leaving) this.updates.send(nodeId, 'neighbors', now);
    if (this.current === 'joining' && this.role === 'client') this.client.start(now);
    if (this.isEntering) this.joining.start(now);
  }

  /**
   * A linked peer acknowledges nothing: it has no place in the ring until it sends an Update again. A search for it begins
   * as after the loss of its link.
   */
  silent(nodeId: NodeId, now: number): void {
    if (this.role === 'client') this.client.silent(nodeId, now);
    this.joining.lost(nodeId, now);
    if (!this.routing.has(nodeId)) return;
    const wasNeighbor = this.neighbors.all.includes(nodeId);
    this.silenced.add(nodeId);
    this.peerLost(nodeId, now);
    if (wasNeighbor && !this.leaving) this.seeker.lost(nodeId, now);
  }

  linkDown(nodeId: NodeId, now: number): void {
    if (!this.connected.delete(nodeId)) return;
    this.silenced.delete(nodeId);
    this.departed.clear(nodeId);
    this.direct.delete(nodeId);
    this.updates.forget(nodeId);
    const wasNeighbor = this.neighbors.all.includes(nodeId);
    const wasPeer = this.peerLost(nodeId, now);
    if (wasNeighbor && !this.leaving) this.seeker.lost(nodeId, now);
    this.joining.lost(nodeId, now);
    this.client.linkDown(nodeId, now);
    if (this.current === 'left') return;
    // Clients that are still linked are no way to the ring.
    const lostLast = wasPeer && this.routing.size === 0;
    if (lostLast || this.connected.size === 0) this.components.emit({ type: 'isolated' }, now);
  }

  /** An UpdateReq came over the link of `from` (s10.7.3). */
  updateReceived(from: NodeId, update: ChordUpdate, now: number): void {
    if (this.current === 'idle' || this.current === 'left' || this.leaving || !this.connected.has(from)) return;
    if (this.departed.has(from)) return;
    this.silenced.delete(from);
    const added = this.routing.add(from);
    if (added) this.components.emit({ type: 'peerSeen', nodeId: from }, now);
    const restarted = this.noteUptime(from, now - update.uptime * 1000, now);
    const told =
      update.type === 'peer_ready'
        ? []
        : [...update.predecessors, ...update.successors, ...(update.type === 'full' ? update.fingers : [])];
    const predecessor = update.type === 'peer_ready' ? undefined : update.predecessors[0];
    if (predecessor === undefined || !this.routing.has(from)) this.predecessorOf.delete(from);
    else this.predecessorOf.set(from, predecessor);
    if (this.role === 'client') {
      this.client.updated(from, update, now);
      this.correct(from, told, now);
      if (!this.candidate) return;
    }
    this.lostPeers.remove(from);
    this.seeker.consider(told, from, from, now);
    this.doubt(from, update, now);
    this.joining.updated(from, update, now);
    // An Attach comes through the own ring, and so does its link; a link that was made otherwise may lead to another one.
    if (added && this.isMember && this.direct.has(from)) this.prober.probe(from, now);
    if (added) this.changed(false, now);
    else if (restarted) this.components.neighborsChanged(false, now);
  }

  /** A neighbour does not count with the one between it and us any more: whether that one is silent for us too, a Ping shows. */
  private doubt(from: NodeId, update: ChordUpdate, now: number): void {
    if (update.type === 'peer_ready' || !this.isMember) return;
    const { predecessors, successors } = this.neighbors;
    const [before, after] = [predecessors[0], successors[0]];
    const doubted: (NodeId | undefined)[] = [];
    if (update.successors[0] === this.self && before !== undefined && this.ring.insideOpen(before, from, this.self))
      doubted.push(before);
    if (update.predecessors[0] === this.self && after !== undefined && this.ring.insideOpen(after, this.self, from))
      doubted.push(after);
    for (const nodeId of doubted) if (nodeId !== undefined) this.askWhetherThere(nodeId, now);
  }

  /**
   * What waits on its link, and a Ping, shows whether it is there. Another goes through the peer that comes after it: that
   * one takes over when it is gone, and is to notice as soon as we do.
   */
  doubtful(nodeId: NodeId, now: number): void {
    this.joining.lost(nodeId, now);
    if (!this.routing.has(nodeId) || !this.connected.has(nodeId) || this.doubted.has(nodeId)) return;
    // Who is on its way in asks others first; the next Update brings it back.
    if (this.joining.active && this.routing.size > 1) this.peerLost(nodeId, now);
    this.askWhetherThere(nodeId, now);
    const next = this.routing.firstFrom(this.ring.add(nodeId, 1n));
    if (next === undefined || next === nodeId) return;
    const body = { type: 'ping_req' as const, padding: new Uint8Array() };
    this.requester.request({ destination: [toNode(next), toNode(nodeId)], body, firstHop: next }, now, () => {});
  }

  private askWhetherThere(nodeId: NodeId, now: number): void {
    if (this.doubted.has(nodeId)) return;
    this.doubted.add(nodeId);
    const body = { type: 'ping_req' as const, padding: new Uint8Array() };
    const destination = [toNode(nodeId)];
    this.requester.request({ destination, body, firstHop: nodeId }, now, () => this.doubted.delete(nodeId));
  }

  /** A RouteQuery asked for the routing table (s6.4.2.4). */
  updateRequested(nodeId: NodeId, now: number): void {
    if (this.isMember && !this.leaving && this.connected.has(nodeId)) this.updates.send(nodeId, 'full', now);
  }

  /** Whether a Join of this node can be granted here: this peer is responsible for its position (s6.4.2.1). */
  canAdmit(nodeId: NodeId): boolean {
    if (this.leaving) return false;
    return this.isResponsibleFor(nodeId) || (this.isMember && this.neighbors.predecessors[0] === nodeId);
  }

  /** Steps 6 to 8 of s10.5, after the Join was answered. */
  admit(nodeId: NodeId, now: number): void {
    const known = this.routing.predecessors(this.routing.size).filter((id) => id !== nodeId);
    // Its own range, and what it keeps copies of: whoever is responsible for that may die before it knows of the newcomer.
    this.components.handOver(nodeId, known[REPLICAS] ?? this.self, now, (at) => {
      if (!this.connected.has(nodeId) || this.leaving) return;
      if (!this.canAdmit(nodeId)) {
        // Another came between meanwhile: the newcomer is to ask that one.
        this.updates.send(nodeId, 'full', at);
        return;
      }
      this.departed.clear(nodeId);
      this.routing.add(nodeId);
      this.changed(false, at);
      // The newcomer waits for it even when nothing changed, as after its restart.
      this.updates.send(nodeId, 'full', at);
    });
  }

  /** A linked peer leaves (s10.9). */
  peerLeft(nodeId: NodeId, told: readonly NodeId[], now: number): void {
    this.seeker.avoid(nodeId, now);
    if (this.connected.has(nodeId)) this.departed.set(nodeId, now + DEPARTED_MS);
    this.lostPeers.remove(nodeId);
    const wasPeer = this.removePeer(nodeId);
    this.joining.lost(nodeId, now);
    this.client.peerLeft(nodeId, now);
    if (!wasPeer) return;
    this.seeker.consider(told, nodeId, undefined, now);
    // Nothing to wait for, as after a failure: it will not be back in a moment.
    this.changed(false, now);
  }

  isResponsibleFor(id: string): boolean {
    return this.isMember && this.routing.isResponsibleFor(id);
  }

  /**
   * Whether a node that says so may be responsible for a resource: no peer that is known here is nearer, and by its own
   * Updates the resource is not its predecessor's.
   */
  mayBeResponsible(nodeId: NodeId, resource: string): boolean {
    if (nodeId === resource) return true;
    const nearer = (id: NodeId): boolean =>
      id !== nodeId && (id === resource || this.ring.insideOpen(id, resource, nodeId));
    if ((this.isMember && nearer(this.self)) || this.routing.peers.some(nearer)) return false;
    return !this.predecessorOf.has(nodeId) || this.saysItHas(nodeId, resource);
  }

  /**
   * Another way to a destination than those that were tried: through the nearest known peer after it, whose neighbours are
   * those that the request is to reach.
   */
  detour(destination: Destination, avoid: ReadonlySet<NodeId>): NodeId | undefined {
    if (!this.isMember || (destination.type !== 'node' && destination.type !== 'resource')) return undefined;
    const id = destination.type === 'node' ? destination.nodeId : destination.resourceId;
    const after = this.routing.firstFrom(id);
    return after === undefined || after === id || avoid.has(after) ? undefined : after;
  }

  /** By the latest Update of a linked peer. */
  private saysItHas(nodeId: NodeId, resource: string): boolean {
    const predecessor = this.predecessorOf.get(nodeId);
    return predecessor !== undefined && this.ring.insideUpTo(resource, predecessor, nodeId);
  }

  /** Where a message for `destination` goes next; undefined: nowhere. Not asked for what this node consumes itself. */
  nextHop(destination: Destination, avoid?: ReadonlySet<NodeId>): NodeId | undefined {
    if (destination.type !== 'node' && destination.type !== 'resource') return undefined;
    const id = destination.type === 'node' ? destination.nodeId : destination.resourceId;
    // The AppAttach that mends a broken path must take another way.
    if (destination.type === 'node' && this.connected.has(id) && this.components.isUsable(id)) return id;
    if (this.role === 'client') return this.wayOut(avoid);
    // The only peer has moved, and a client does not hear it: another client may be linked with that one.
    if (destination.type === 'node' && this.connected.has(id) && this.routing.size === 0) return this.anyUsable(avoid);
    if (this.isResponsibleFor(id)) return undefined;
    if (avoid !== undefined && avoid.size > 0) {
      // Another way is wanted: past whoever comes before it, straight to the peer that says it is responsible.
      const responsible = this.routing.firstFrom(id);
      if (responsible !== undefined && !avoid.has(responsible) && this.saysItHas(responsible, id)) return responsible;
    }
    return this.routing.nextHop(id, avoid) ?? this.wayOut(avoid);
  }

  /** Of a client that is in the overlay: what linked nodes send through it goes to its peer, or to whom it is linked with. */
  passOnHop(destination: Destination): NodeId | undefined {
    if (this.role !== 'client' || this.current !== 'joined') return undefined;
    const { responsiblePeer } = this.client;
    const hop =
      destination.type === 'node' && this.connected.has(destination.nodeId) ? destination.nodeId : responsiblePeer;
    return hop !== undefined && this.connected.has(hop) && this.components.isUsable(hop) ? hop : undefined;
  }

  nextTimeout(): number | undefined {
    return earliest(this.timers.next(), this.departed.next(), ...this.parts.map((part) => part.nextTimeout()));
  }

  handleTimeout(now: number): void {
    for (let id = this.departed.due(now); id !== undefined; id = this.departed.due(now))
      this.components.emit({ type: 'becameClient', nodeId: id }, now);
    for (let name = this.timers.due(now); name !== undefined; name = this.timers.due(now)) {
      switch (name) {
        case 'update':
          this.updates.sendAll(this.neighbors.all, 'neighbors', now);
          break;
        case 'tellAll':
          this.toldAllAt = now;
          this.updates.sendAll(this.connected, 'neighbors', now);
          break;
        case 'stabilize':
          this.updates.sendAll(this.neighbors.all, 'neighbors', now);
          this.probeAny(now);
          this.armStabilization(now);
          break;
        case 'left':
          this.becomeLeft(now);
          break;
      }
    }
    for (const part of this.parts) part.handleTimeout(now);
  }

  private get parts(): readonly Timed[] {
    const { updates, joining, client, seeker, searcher, prober, lostPeers, farewell } = this;
    return [updates, joining, client, seeker, searcher, prober, lostPeers, farewell];
  }

  /** In the ring as a peer. */
  get isMember(): boolean {
    return this.current === 'joined' && this.role === 'peer';
  }

  /** Any linked node that may forward, for a node that is not in the ring. */
  private wayOut(avoid?: ReadonlySet<NodeId>): NodeId | undefined {
    const { gateway } = this;
    const told = gateway !== undefined && this.routing.has(gateway);
    // Those who said that they are in the ring come before who may be.
    const candidates = [this.client.responsiblePeer, told ? gateway : undefined, ...this.routing.peers, gateway];
    let last: NodeId | undefined;
    for (const id of candidates) {
      if (id === undefined || !this.connected.has(id)) continue;
      if (avoid?.has(id) !== true && this.components.isUsable(id)) return id;
      last = id;
    }
    return last;
  }

  private anyUsable(avoid: ReadonlySet<NodeId> | undefined): NodeId | undefined {
    for (const id of this.connected) if (avoid?.has(id) !== true && this.components.isUsable(id)) return id;
    return undefined;
  }

  private enter(now: number): void {
    this.current = 'joined';
    if (this.candidate) {
      this.candidate = false;
      this.client.stop();
      this.currentRole = 'peer';
      this.components.emit({ type: 'roleChanged', role: 'peer' }, now);
    } else this.components.emit({ type: 'joined' }, now);
    this.changed(false, now);
    this.updates.sendAll(this.connected, 'neighbors', now);
    this.armStabilization(now);
    this.searcher.start(now);
  }

  private clientAttached(responsible: NodeId | undefined, now: number): void {
    if (responsible === undefined) return;
    if (this.current === 'joining') {
      this.current = 'joined';
      this.components.emit({ type: 'joined' }, now);
    }
    this.components.emit({ type: 'responsibleChanged', from: this.self, to: responsible }, now);
  }

  private becomeLeft(now: number): void {
    this.current = 'left';
    this.stopRing();
    for (const id of [...this.routing.peers]) this.routing.remove(id);
    this.components.emit({ type: 'left' }, now);
  }

  private stopRing(): void {
    this.timers.clear('update');
    this.timers.clear('tellAll');
    this.timers.clear('stabilize');
    this.searcher.stop();
    this.seeker.stop();
    this.prober.stop();
    this.lostPeers.clear();
  }

  /** A peer cannot be routed through any more: its link is gone, or it does not answer (s10.7.1, s10.7.2). */
  private peerLost(nodeId: NodeId, now: number): boolean {
    if (!this.removePeer(nodeId)) return false;
    this.logger.debug('peer lost', { nodeId });
    if (this.isMember && !this.leaving) this.lostPeers.add(nodeId, now);
    this.changed(true, now);
    return true;
  }

  private removePeer(nodeId: NodeId): boolean {
    if (!this.routing.remove(nodeId)) return false;
    this.startOf.delete(nodeId);
    this.predecessorOf.delete(nodeId);
    this.components.forgetCopies(nodeId);
    return true;
  }

  /** Whether the peer has started anew since its last Update: then the copies it had are gone. */
  private noteUptime(nodeId: NodeId, startedAt: number, now: number): boolean {
    const before = this.startOf.get(nodeId);
    this.startOf.set(nodeId, Math.min(startedAt, before ?? startedAt));
    if (before === undefined || startedAt <= before + RESTART_TOLERANCE_MS) return false;
    // Not now: the next Update says it again.
    if (!this.restarts.take(nodeId, now)) return false;
    this.startOf.set(nodeId, startedAt);
    this.components.forgetCopies(nodeId);
    return true;
  }

  /** Notices what a change of the routing table means for the neighbours and for the range of this peer. */
  private changed(lost: boolean, now: number): void {
    if (!this.isMember || this.leaving) return;
    const { predecessors, successors } = this.neighbors;
    const neighbors = `${predecessors.join()};${successors.join()}`;
    this.searcher.nudge(now);
    if (neighbors === this.toldNeighbors) return;
    this.toldNeighbors = neighbors;
    this.components.emit({ type: 'neighborsChanged', predecessors, successors }, now);
    const predecessor = predecessors[0] ?? this.self;
    if (predecessor !== this.toldPredecessor) {
      this.toldPredecessor = predecessor;
      const at = Math.max(now + UPDATE_DELAY_MS, this.toldAllAt + TELL_ALL_GAP_MS);
      if (!this.timers.has('tellAll')) this.timers.set('tellAll', at);
      this.components.emit({ type: 'responsibleChanged', from: predecessor, to: this.self }, now);
    }
    // RFC 6940 s10.7.1, s10.7.3: a change of neighbours goes to them, a change of the own range to every linked node.
    if (!this.timers.has('update')) this.timers.set('update', now + UPDATE_DELAY_MS);
    this.components.neighborsChanged(lost, now);
  }

  private composeUpdate(kind: UpdateKind, now: number): ChordUpdate {
    const uptime = this.uptimeS(now);
    const { predecessors, successors } = this.neighbors;
    switch (kind) {
      case 'peer_ready':
        return { type: kind, uptime };
      case 'neighbors':
        return { type: kind, uptime, predecessors, successors };
      case 'full':
        return { type: kind, uptime, predecessors, successors, fingers: this.fingers.entries };
    }
  }

  private armStabilization(now: number): void {
    this.timers.set('stabilize', now + this.settings.updateIntervalMs * (0.75 + this.random.float() / 2));
  }

  /** One of those that are no neighbours: what they see of this node's place shows whether the ring is one. */
  private probeAny(now: number): void {
    const near = new Set(this.neighbors.all);
    const far = this.routing.peers.filter((id) => !near.has(id));
    const chosen = far[Math.floor(this.random.float() * far.length)];
    if (chosen !== undefined) this.prober.probe(chosen, now);
  }
}
