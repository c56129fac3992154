import { earliest, type Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { Attacher } from '../attacher.ts';
import { FAILED_PEER_PAUSE_MS, MAX_FAILED_PEERS } from '../constants.ts';
import { type Requester, toNode } from '../requester.ts';
import { AvoidedPeers } from './avoided-peers.ts';
import type { NeighborTable } from './neighbor-table.ts';
import type { Ring } from './ring.ts';

/** Links to neighbours in the making. Every teller has one in any case, more while there are fewer than these. */
const MAX_SOUGHT = 16;
/** At once, of what one node told. */
const MAX_SOUGHT_EACH = 4;
/** A link to a peer that lives is there within this, with a few round trips through the ring, of ICE and of the handshake. */
const LINK_PATIENCE_MS = 1_500;
/** Ids of one Update that are looked at: neighbours on both sides and a full finger table. */
const MAX_TOLD = 256;
/** Nodes whose latest word is kept: linked peers, and those that left. */
const MAX_TELLERS = 256;
/** Peers die, and news of it takes time: so many in a row may be told of that cannot be reached. */
const FORGIVEN_FAILURES = 4;
const FIRST_DOUBT_MS = 2_000;
const MAX_DOUBT_MS = 60_000;

/** What a node told last. */
interface Hint {
  /** Neighbours that this peer lacks. */
  readonly ids: readonly NodeId[];
  readonly via: NodeId | undefined;
}

/** A link in the making. */
interface Sought {
  /** Who told of it. */
  readonly teller: NodeId;
  readonly since: number;
}

/** Failures in a row of what a node told of, and until when nothing of it is sought. */
interface Doubt {
  failures: number;
  until: number;
}

/**
 * Links to peers that should be neighbours but are not yet (RFC 6940 s10.6, s10.7.3). Who tells of many peers that do not
 * exist costs a few attempts at a time and is then believed less; what others tell of is sought all the same.
 */
export class NeighborSeeker implements Timed {
  private readonly neighbors: NeighborTable;
  private readonly ring: Ring;
  private readonly self: NodeId;
  private readonly requester: Requester;
  private readonly attacher: Attacher;
  private readonly isConnected: (nodeId: NodeId) => boolean;
  private readonly lostRetryMs: number;
  private readonly hints = new Map<NodeId, Hint>();
  private readonly sought = new Map<NodeId, Sought>();
  private readonly doubts = new Map<NodeId, Doubt>();
  private readonly avoided = new AvoidedPeers({ pauseMs: FAILED_PEER_PAUSE_MS, max: MAX_FAILED_PEERS });
  private retries = new TimerQueue<NodeId>();
  /** When something that had to wait may be sought. */
  private resumeAt: number | undefined;

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

  /** Whether a link may come up soon: what takes longer leads nowhere, mostly, and is waited for by nobody. */
  awaitsSome(now: number): boolean {
    return [...this.sought.values()].some(({ since }) => now < since + LINK_PATIENCE_MS);
  }

  /**
   * Looks for nodes that an Update or a Leave tells of.
   * @param via the way to them: the teller, unless it is going away
   */
  consider(told: readonly NodeId[], teller: NodeId, via: NodeId | undefined, now: number): void {
    const ids = this.nearest(this.neighbors.wanted(told.slice(0, MAX_TOLD)), []);
    this.hints.delete(teller);
    if (ids.length === 0) return;
    this.hints.set(teller, { ids, via });
    if (this.hints.size > MAX_TELLERS) {
      const [oldest] = this.hints.keys();
      if (oldest !== undefined) this.hints.delete(oldest);
    }
    this.seekMore(now);
  }

  /** A neighbour's link is gone: perhaps only the link, so it is tried once more (s10.7.1). */
  lost(nodeId: NodeId, now: number): void {
    if (this.hints.get(nodeId)?.via !== undefined) this.hints.delete(nodeId);
    this.retries.set(nodeId, now + this.lostRetryMs);
  }

  /** The node is known to be gone. */
  avoid(nodeId: NodeId, now: number): void {
    this.retries.clear(nodeId);
    this.avoided.gone(nodeId, now);
  }

  reached(nodeId: NodeId): void {
    this.retries.clear(nodeId);
    this.avoided.reached(nodeId);
  }

  stop(): void {
    this.hints.clear();
    this.sought.clear();
    this.retries = new TimerQueue();
    this.resumeAt = undefined;
  }

  nextTimeout(): number | undefined {
    return earliest(this.retries.next(), this.resumeAt);
  }

  handleTimeout(now: number): void {
    for (let id = this.retries.due(now); id !== undefined; id = this.retries.due(now)) {
      const before = this.hints.get(this.self)?.ids ?? [];
      this.consider([id, ...before], this.self, undefined, now);
    }
    if (this.resumeAt !== undefined && this.resumeAt <= now) this.seekMore(now);
  }

  /** Those that would be neighbours if all of them, and `others`, existed. */
  private nearest(wanted: readonly NodeId[], others: readonly NodeId[]): NodeId[] {
    if (wanted.length === 0) return [];
    const { eachWay, all } = this.neighbors;
    const known = [...new Set([...wanted, ...others, ...all])];
    known.sort((a, b) => (this.ring.insideOpen(a, this.self, b) ? -1 : 1));
    const nearest = new Set([...known.slice(0, eachWay), ...known.slice(-eachWay)]);
    return [...new Set(wanted)].filter((id) => nearest.has(id));
  }

  /** One of each teller in turn, as far as there are slots. */
  private seekMore(now: number): void {
    this.resumeAt = undefined;
    for (let round = 0; round < MAX_SOUGHT_EACH; round++)
      for (const [teller, hint] of [...this.hints]) {
        const mine = this.soughtOf(teller);
        if (mine > round || (mine > 0 && this.sought.size >= MAX_SOUGHT)) continue;
        if (this.mayBelieve(teller, mine, now)) this.seekNext(teller, hint, now);
      }
  }

  private seekNext(teller: NodeId, { ids, via }: Hint, now: number): void {
    const wanted = this.neighbors.wanted(ids);
    if (wanted.length === 0) this.hints.delete(teller);
    // Those that are being linked count as neighbours already, or every newcomer would link to half of a small ring. But
    // not on the word of others that has proved wrong lately: what they invent must not stand before what exists.
    const coming = [...this.sought]
      .filter(([, { teller: by }]) => by === teller || !this.doubts.has(by))
      .map(([id]) => id);
    for (const id of this.nearest(wanted, coming)) {
      if (this.sought.has(id)) continue;
      const until = this.avoided.until(teller, id);
      if (until <= now) {
        this.seek(id, teller, via, now);
        return;
      }
      this.resume(until);
    }
  }

  private soughtOf(teller: NodeId): number {
    let count = 0;
    for (const { teller: by } of this.sought.values()) if (by === teller) count += 1;
    return count;
  }

  private mayBelieve(teller: NodeId, mine: number, now: number): boolean {
    const doubt = this.doubts.get(teller);
    if (doubt === undefined || doubt.failures <= FORGIVEN_FAILURES) return true;
    if (doubt.until > now) this.resume(doubt.until);
    return doubt.until <= now && mine === 0;
  }

  private resume(at: number): void {
    this.resumeAt = Math.min(this.resumeAt ?? at, at);
  }

  private seek(nodeId: NodeId, teller: NodeId, via: NodeId | undefined, now: number): void {
    this.sought.set(nodeId, { teller, since: now });
    if (this.isConnected(nodeId)) {
      this.askForUpdate(nodeId, now);
      return;
    }
    // Who tells of a node may also be the one that stands in the way to it.
    const through = this.avoided.failures(teller, nodeId) % 2 === 0 ? via : undefined;
    const options = { ...(through !== undefined && { via: through }), sendUpdate: true };
    this.attacher.attach(nodeId, options, now, (result, at) => {
      this.sought.delete(nodeId);
      if (result.ok) this.believe(teller);
      else {
        this.avoided.failed(teller, nodeId, at);
        this.doubt(teller, at);
      }
      this.seekMore(at);
    });
  }

  private believe(teller: NodeId): void {
    const doubt = this.doubts.get(teller);
    if (doubt === undefined) return;
    doubt.failures >>= 1;
    if (doubt.failures === 0) this.doubts.delete(teller);
  }

  private doubt(teller: NodeId, now: number): void {
    const failures = (this.doubts.get(teller)?.failures ?? 0) + 1;
    const pause = Math.min(MAX_DOUBT_MS, FIRST_DOUBT_MS * 2 ** (failures - FORGIVEN_FAILURES));
    this.doubts.delete(teller);
    this.doubts.set(teller, { failures, until: now + pause });
    if (this.doubts.size <= MAX_TELLERS) return;
    const [oldest] = this.doubts.keys();
    if (oldest !== undefined) this.doubts.delete(oldest);
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
      this.avoided.gone(nodeId, at);
      this.seekMore(at);
    });
  }
}
