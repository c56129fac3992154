import type { Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import { ERROR_CODES, type ChordUpdate } from '../../reload/index.ts';
import type { Attacher } from '../attacher.ts';
import { JOIN_PHASE_TIMEOUT_MS, JOIN_RETRY_MS } from '../constants.ts';
import { type Requester, toNode, toResource } from '../requester.ts';
import type { Ring } from './ring.ts';

const POLL_MS = 10;
/** A little later whoever asked knows who has come into the ring. */
const MOVED_RETRY_MS = 20;

/** The part of the topology that joining works with. */
export interface JoinHost {
  readonly self: NodeId;
  readonly ring: Ring;
  isConnected(nodeId: NodeId): boolean;
  /** Whether links to neighbours that were told of may come up soon. */
  seeksNeighbors(now: number): boolean;
  /** What this node would be given can be judged: it knows what time it is. */
  mayEnter(): boolean;
  /** A way to send anything at all. */
  hasWayOut(): boolean;
  /** The peer's Update says that this node is its predecessor. */
  entered(now: number): void;
}

/**
 * The joining procedure (RFC 6940 s10.5). The admitting peer (AP) is found by a Ping to Resource-ID n+1, since a link can
 * only be prepared for a node whose Node-ID is known.
 *
 *   waiting ──> locating (Ping n+1) ──> attaching (AP) ──> meeting (AP's Update, links to neighbours)
 *     ^ └──────────┴── Update of a linked peer that is the AP ──^   │
 *     └────── any failure, after a pause ─────── asking (Join) <────┘ ──> entering ── AP's Update names us ──> done
 */
export class Joining implements Timed {
  private readonly host: JoinHost;
  private readonly requester: Requester;
  private readonly attacher: Attacher;
  private readonly random: Random;
  private readonly logger: Logger;
  private phase: 'idle' | 'waiting' | 'locating' | 'attaching' | 'meeting' | 'asking' | 'entering' = 'idle';
  private admittingPeer: NodeId | undefined;
  /** Makes late answers of an earlier attempt recognisable. */
  private attempt = 0;
  private deadline: number | undefined;
  private phaseEndsAt = 0;
  private asked = false;

  constructor(components: {
    host: JoinHost;
    requester: Requester;
    attacher: Attacher;
    random: Random;
    logger: Logger;
  }) {
    this.host = components.host;
    this.requester = components.requester;
    this.attacher = components.attacher;
    this.random = components.random;
    this.logger = components.logger;
  }

  get active(): boolean {
    return this.phase !== 'idle';
  }

  start(now: number): void {
    if (this.phase === 'idle' || this.phase === 'waiting') this.locate(now);
  }

  stop(): void {
    this.attempt += 1;
    this.asked = false;
    this.changePhase('idle');
    this.deadline = undefined;
  }

  /** An Update came from a linked peer. */
  updated(from: NodeId, update: ChordUpdate, now: number): void {
    if (this.phase === 'idle') return;
    const predecessors = update.type === 'peer_ready' ? [] : update.predecessors;
    // Before this node has asked, such an Update is about an earlier life of it.
    if (this.asked && predecessors[0] === this.host.self) {
      this.stop();
      this.host.entered(now);
      return;
    }
    if (update.type !== 'peer_ready' && (this.phase === 'waiting' || this.phase === 'locating')) {
      this.toldOfRing(from, predecessors[0], now);
      return;
    }
    if (from !== this.admittingPeer) return;
    const nearer = predecessors.find((id) => this.host.ring.insideOpen(id, this.host.self, from));
    // Another peer came between: it is the one to ask.
    if (nearer !== undefined && (this.phase === 'meeting' || this.phase === 'entering'))
      this.retry('admitting peer changed', now, 0);
    else if (this.phase === 'attaching') this.meet(now);
  }

  /** A peer of the ring has shown itself: it is the one to ask, or it knows who is. */
  private toldOfRing(peer: NodeId, predecessor: NodeId | undefined, now: number): void {
    const { self, ring } = this.host;
    if (predecessor === undefined || predecessor === self || ring.insideUpTo(self, predecessor, peer)) {
      this.attempt += 1;
      this.admittingPeer = peer;
      this.meet(now);
    } else if (this.phase === 'waiting') this.locate(now);
  }

  /** What the admitting peer had begun for us went with the link before. */
  linkUp(nodeId: NodeId, now: number): void {
    if (nodeId !== this.admittingPeer) return;
    if (this.phase === 'asking' || this.phase === 'entering') this.retry('another link to admitting peer', now, 0);
  }

  /** The link is gone, or the node on it answers nothing or is no peer any more. */
  lost(nodeId: NodeId, now: number): void {
    if (this.phase !== 'idle' && nodeId === this.admittingPeer) this.retry('admitting peer lost', now);
  }

  nextTimeout(): number | undefined {
    return this.deadline;
  }

  handleTimeout(now: number): void {
    if (this.deadline === undefined || this.deadline > now) return;
    this.deadline = undefined;
    if (this.phase === 'waiting') this.locate(now);
    else if (this.phase === 'meeting') this.met(now);
    else if (this.phase !== 'idle') this.retry(`no progress while ${this.phase}`, now);
  }

  private locate(now: number): void {
    if (!this.host.hasWayOut()) {
      this.changePhase('waiting');
      this.deadline = undefined;
      return;
    }
    this.attempt += 1;
    const attempt = this.attempt;
    this.changePhase('locating');
    this.deadline = now + JOIN_PHASE_TIMEOUT_MS;
    const destination = [toResource(this.host.ring.add(this.host.self, 1n))];
    this.requester.request(
      { destination, body: { type: 'ping_req', padding: new Uint8Array() } },
      now,
      (result, at) => {
        if (attempt !== this.attempt) return;
        if (!result.ok) this.retry(result.error.message, at);
        else this.attach(result.signer.nodeId, at);
      },
    );
  }

  private attach(admittingPeer: NodeId, now: number): void {
    if (admittingPeer === this.host.self) {
      this.retry('located itself', now);
      return;
    }
    const attempt = this.attempt;
    this.admittingPeer = admittingPeer;
    this.changePhase('attaching');
    this.deadline = now + JOIN_PHASE_TIMEOUT_MS;
    if (this.host.isConnected(admittingPeer)) {
      this.askForUpdate(admittingPeer, now);
      return;
    }
    this.attacher.attach(admittingPeer, { sendUpdate: true }, now, (result, at) => {
      if (attempt !== this.attempt || result.ok) return;
      this.retry(result.error.message, at);
    });
  }

  /** RFC 6940 s6.4.2.4: RouteQuery with send_update gets the Routing Table of a peer that is linked already. */
  private askForUpdate(peer: NodeId, now: number): void {
    const body = {
      type: 'route_query_req' as const,
      sendUpdate: true,
      destination: toNode(this.host.self),
      overlaySpecificData: new Uint8Array(),
    };
    const attempt = this.attempt;
    this.requester.request({ destination: [toNode(peer)], body, firstHop: peer }, now, (result, at) => {
      if (attempt === this.attempt && !result.ok) this.retry(result.error.message, at);
    });
  }

  /** Links to the neighbours are being made, as Updates tell of them; goes on when they are there or have failed. */
  private meet(now: number): void {
    this.changePhase('meeting');
    this.phaseEndsAt = now + JOIN_PHASE_TIMEOUT_MS;
    this.met(now);
  }

  private met(now: number): void {
    const waits = this.host.seeksNeighbors(now) || !this.host.mayEnter();
    if (waits && now < this.phaseEndsAt) this.deadline = now + POLL_MS;
    else this.ask(now);
  }

  private ask(now: number): void {
    const peer = this.admittingPeer;
    if (peer === undefined) return;
    const attempt = this.attempt;
    this.changePhase('asking');
    this.asked = true;
    this.deadline = now + JOIN_PHASE_TIMEOUT_MS;
    const body = {
      type: 'join_req' as const,
      joiningPeerId: this.host.self,
      overlaySpecificData: new Uint8Array(),
    };
    this.requester.request({ destination: [toNode(peer)], body, firstHop: peer }, now, (result, at) => {
      if (attempt !== this.attempt) return;
      if (!result.ok) {
        // Another peer came between, of which its next Update tells: it is the one to ask.
        const moved = result.error.errorCode === ERROR_CODES.not_found;
        this.retry(result.error.message, at, moved ? MOVED_RETRY_MS * (1 + this.random.float()) : undefined);
        return;
      }
      this.changePhase('entering');
      this.deadline = at + JOIN_PHASE_TIMEOUT_MS;
    });
  }

  private retry(reason: string, now: number, pauseMs = JOIN_RETRY_MS * (1 + this.random.float())): void {
    this.logger.debug('joining starts anew', { reason, phase: this.phase });
    this.attempt += 1;
    this.admittingPeer = undefined;
    this.changePhase('waiting');
    this.deadline = now + pauseMs;
  }

  private changePhase(phase: Joining['phase']): void {
    if (phase === this.phase) return;
    this.logger.debug('joining', { from: this.phase, to: phase });
    this.phase = phase;
  }
}
