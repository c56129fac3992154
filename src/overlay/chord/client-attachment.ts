import type { Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import type { ChordUpdate } from '../../reload/index.ts';
import type { Attacher } from '../attacher.ts';
import { JOIN_RETRY_MS } from '../constants.ts';
import { type Requester, toResource } from '../requester.ts';
import type { Ring } from './ring.ts';

export interface ClientHost {
  readonly self: NodeId;
  readonly ring: Ring;
  isConnected(nodeId: NodeId): boolean;
  hasWayOut(): boolean;
  /** The responsible peer is linked; undefined: it is lost. */
  attached(responsible: NodeId | undefined, now: number): void;
}

/**
 * A client keeps a link to the peer that is responsible for its Node-ID, since requests for it are routed there
 * (RFC 6940 s4.2.1). It asks who that is by a Ping to its own position: at the start, when an Update of that peer tells
 * of a new predecessor, when the link is lost, and from time to time.
 */
export class ClientAttachment implements Timed {
  private readonly host: ClientHost;
  private readonly requester: Requester;
  private readonly attacher: Attacher;
  private readonly random: Random;
  private readonly checkIntervalMs: number;
  private current: NodeId | undefined;
  private checking = false;
  /** A peer showed itself while a check was under way, which may have gone to someone outside the ring. */
  private again = false;
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

  start(now: number): void {
    this.active = true;
    this.check(now);
  }

  stop(): void {
    this.active = false;
    this.checkAt = undefined;
    this.current = undefined;
  }

  updated(from: NodeId, update: ChordUpdate, now: number): void {
    if (update.type === 'peer_ready') return;
    if (this.current === undefined) {
      // A peer of the ring has shown itself: it knows who is responsible.
      this.again = this.checking;
      this.check(now);
      return;
    }
    if (from !== this.current) return;
    const predecessor = update.predecessors[0];
    if (predecessor === undefined || predecessor === this.host.self) return;
    if (!this.host.ring.insideUpTo(this.host.self, predecessor, from)) this.check(now);
  }

  linkDown(nodeId: NodeId, now: number): void {
    if (nodeId !== this.current) return;
    this.current = undefined;
    this.host.attached(undefined, now);
    this.check(now);
  }

  nextTimeout(): number | undefined {
    return this.checkAt;
  }

  handleTimeout(now: number): void {
    if (this.checkAt !== undefined && this.checkAt <= now) this.check(now);
  }

  private check(now: number): void {
    if (!this.active || this.checking) return;
    if (!this.host.hasWayOut()) {
      this.checkAt = undefined;
      return;
    }
    this.checking = true;
    this.checkAt = undefined;
    this.requester.request(
      { destination: [toResource(this.host.self)], body: { type: 'ping_req', padding: new Uint8Array() } },
      now,
      (result, at) => {
        if (result.ok) this.found(result.signer.nodeId, at);
        else this.checked(false, at);
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
  }

  private checked(ok: boolean, now: number): void {
    this.checking = false;
    const again = this.again && !ok;
    this.again = false;
    if (again) this.check(now);
    else if (this.active)
      this.checkAt = now + (ok ? this.checkIntervalMs : JOIN_RETRY_MS) * (0.75 + this.random.float() / 2);
  }
}
