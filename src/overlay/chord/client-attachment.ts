import { earliest, type Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import type { ChordUpdate } from '../../reload/index.ts';
import type { Attacher } from '../attacher.ts';
import { FAILED_PEER_PAUSE_MS, JOIN_RETRY_MS, MAX_FAILED_PEERS, SPARE_PEERS } from '../constants.ts';
import { type Requester, toNode, toResource } from '../requester.ts';
import { AvoidedPeers } from './avoided-peers.ts';
import type { Ring } from './ring.ts';

/** Peers that one of them told of, kept: its neighbours on both sides, in a ring whose Updates tell of more than is usual. */
const MAX_TOLD = 16;
/** After a peer that was told of could not be reached; doubled each time, since whoever invents peers costs attempts. */
const SEEK_PAUSE_MS = 2_000;
const MAX_SEEK_PAUSE_MS = 60_000;
/** A Ping is followed by another one, when a peer shows itself meanwhile, no sooner than this; doubled each time. */
const ASK_AGAIN_MS = 150;

export interface ClientHost {
  readonly self: NodeId;
  readonly ring: Ring;
  isConnected(nodeId: NodeId): boolean;
  /** Linked, and it acknowledges what it is sent. */
  isAnswering(nodeId: NodeId): boolean;
  hasWayOut(): boolean;
  /** The responsible peer is linked; undefined: it is lost. */
  attached(responsible: NodeId | undefined, now: number): void;
}

/**
 * A client keeps a link to the peer that is responsible for its Node-ID, since requests for it are routed there
 * (RFC 6940 s4.2.1). It asks who that is by a Ping to its own position: at the start, when an Update of that peer tells
 * of a new predecessor, when the link is lost, and from time to time.
 *
 * It keeps links to that peer's next ones, too: one of them takes over its range when it dies, and is then linked already.
 */
export class ClientAttachment implements Timed {
  private readonly host: ClientHost;
  private readonly requester: Requester;
  private readonly attacher: Attacher;
  private readonly random: Random;
  private readonly checkIntervalMs: number;
  private readonly avoided = new AvoidedPeers({ pauseMs: FAILED_PEER_PAUSE_MS, max: MAX_FAILED_PEERS });
  /** Whom linked peers named as their neighbours last: the successors first, nearest first. */
  private readonly told = new Map<NodeId, readonly NodeId[]>();
  private seeking = false;
  private seekPauseMs = SEEK_PAUSE_MS;
  /** An attempt failed: nobody is sought before. */
  private seekAt: number | undefined;
  private current: NodeId | undefined;
  private checking = false;
  /** When the latest Ping of the check that is under way was sent; undefined: it is answered, or there is none. */
  private askedAt: number | undefined;
  private askAgainMs = ASK_AGAIN_MS;
  private active = false;
  private checkAt: number | undefined;

  constructor(components: {
    host: ClientHost;
    requester: Requester;
    attacher: Attacher;
    random: Random;
    checkIntervalMs: number;
  }) {
    this.host = components.host;
    this.requester = components.requester;
    this.attacher = components.attacher;
    this.random = components.random;
    this.checkIntervalMs = components.checkIntervalMs;
  }

  get responsiblePeer(): NodeId | undefined {
    return this.current;
  }

  /** Whom linked peers named as their neighbours. */
  get toldPeers(): readonly NodeId[] {
    return [...new Set([...this.told.values()].flat())];
  }

  /** @param likely linked, and responsible as far as this node can tell */
  start(now: number, likely?: NodeId): void {
    this.active = true;
    if (likely !== undefined) {
      this.current = likely;
      this.host.attached(likely, now);
    }
    this.check(now);
  }

  stop(): void {
    this.active = false;
    this.checkAt = undefined;
    this.seekAt = undefined;
    this.current = undefined;
    this.told.clear();
  }

  updated(from: NodeId, update: ChordUpdate, now: number): void {
    if (update.type === 'peer_ready') return;
    const neighbors = [...update.successors, ...update.predecessors].filter(
      (id) => id !== this.host.self && id !== from,
    );
    this.told.set(from, [...new Set(neighbors)].slice(0, MAX_TOLD));
    if (this.current === undefined) {
      // A peer of the ring has shown itself: it knows who is responsible. A Ping that is under way may have gone to someone
      // outside the ring, or in circles through one that was just forming.
      if (this.askedAt === undefined) this.check(now);
      else this.checkAt ??= Math.max(now, this.askedAt + this.askAgainMs);
      return;
    }
    if (from === this.current) this.keepSpares(now);
    const predecessor = update.predecessors[0];
    if (predecessor === undefined || predecessor === this.host.self) return;
    // Another one that says it is responsible is not believed at once: who answers the Ping is.
    const says = this.host.ring.insideUpTo(this.host.self, predecessor, from);
    if (says !== (from === this.current)) this.check(now);
  }

  /** It is no peer any more, and its link may stay. */
  peerLeft(nodeId: NodeId, now: number): void {
    this.linkDown(nodeId, now);
  }

  linkDown(nodeId: NodeId, now: number): void {
    this.told.delete(nodeId);
    this.lost(nodeId, now);
  }

  /** It acknowledges nothing: another one is to be found at once. */
  silent(nodeId: NodeId, now: number): void {
    this.lost(nodeId, now);
  }

  nextTimeout(): number | undefined {
    return earliest(this.checkAt, this.seekAt);
  }

  handleTimeout(now: number): void {
    if (this.seekAt !== undefined && this.seekAt <= now) {
      this.seekAt = undefined;
      this.keepSpares(now, { ask: true });
    }
    if (this.checkAt === undefined || this.checkAt > now) return;
    if (this.askedAt === undefined) this.check(now);
    else if (this.host.hasWayOut()) {
      this.askAgainMs *= 2;
      this.ask(now);
    } else this.checkAt = undefined;
  }

  private lost(nodeId: NodeId, now: number): void {
    if (nodeId !== this.current) {
      this.keepSpares(now);
      return;
    }
    this.current = undefined;
    this.host.attached(undefined, now);
    this.check(now);
  }

  private check(now: number): void {
    if (!this.active || this.checking) return;
    if (!this.host.hasWayOut()) {
      this.checkAt = undefined;
      return;
    }
    this.checking = true;
    this.askAgainMs = ASK_AGAIN_MS;
    this.ask(now);
  }

  /** Any answer is good; that there is none, only the latest Ping tells. */
  private ask(now: number): void {
    this.checkAt = undefined;
    this.askedAt = now;
    this.requester.request(
      { destination: [toResource(this.host.self)], body: { type: 'ping_req', padding: new Uint8Array() } },
      now,
      (result, at) => {
        if (this.askedAt === undefined || (!result.ok && this.askedAt !== now)) return;
        this.askedAt = undefined;
        if (!result.ok) {
          this.checked(false, at);
          return;
        }
        this.checkAt = undefined;
        this.found(result.signer.nodeId, at);
      },
    );
  }

  private found(responsible: NodeId, now: number): void {
    if (responsible === this.current || this.host.isConnected(responsible)) {
      this.adopt(responsible, now);
      return;
    }
    this.attacher.attach(responsible, { sendUpdate: true }, now, (result, at) => {
      if (result.ok) this.adopt(responsible, at);
      else this.checked(false, at);
    });
  }

  private adopt(responsible: NodeId, now: number): void {
    if (this.active && this.current !== responsible) {
      this.current = responsible;
      this.host.attached(responsible, now);
    }
    this.checked(true, now);
    this.keepSpares(now, { ask: true });
  }

  /**
   * Links to the next peers after the responsible one, made one at a time.
   * @param options.ask when there are too few, and no others are known: the responsible peer may know more by now
   */
  private keepSpares(now: number, { ask = false } = {}): void {
    const { current, host } = this;
    if (!this.active || current === undefined || this.seeking || this.seekAt !== undefined) return;
    const told = this.told.get(current) ?? [];
    if (told.filter((id) => host.isAnswering(id)).length >= SPARE_PEERS) return;
    const next = told.find((id) => !host.isConnected(id) && this.avoided.until(current, id) <= now);
    if (next === undefined) {
      if (ask) this.askForNeighbors(current, now);
      return;
    }
    this.seeking = true;
    this.attacher.attach(next, { via: current, sendUpdate: true }, now, (result, at) => {
      this.seeking = false;
      if (result.ok) {
        this.avoided.reached(next);
        this.seekPauseMs = SEEK_PAUSE_MS;
        this.keepSpares(at);
        return;
      }
      this.avoided.failed(current, next, at);
      // Who is dead would be tried again and again: it is to be told of anew, by a peer that has had the time to notice.
      const others = this.told.get(current)?.filter((id) => id !== next);
      if (others !== undefined) this.told.set(current, others);
      if (this.active && current === this.current) this.askForNeighbors(current, at);
      if (this.active) this.seekAt = at + this.seekPauseMs;
      this.seekPauseMs = Math.min(this.seekPauseMs * 2, MAX_SEEK_PAUSE_MS);
    });
  }

  /** RFC 6940 s6.4.2.4: its Routing Table comes as an Update. */
  private askForNeighbors(peer: NodeId, now: number): void {
    const body = {
      type: 'route_query_req' as const,
      sendUpdate: true,
      destination: toNode(this.host.self),
      overlaySpecificData: new Uint8Array(),
    };
    this.requester.request({ destination: [toNode(peer)], body, firstHop: peer }, now, () => {});
  }

  private checked(ok: boolean, now: number): void {
    this.checking = false;
    if (!this.active) return;
    // A peer has shown itself meanwhile.
    const again = !ok && this.checkAt !== undefined;
    this.checkAt = now + (ok ? this.checkIntervalMs : JOIN_RETRY_MS) * (0.75 + this.random.float() / 2);
    if (again) this.check(now);
  }
}
