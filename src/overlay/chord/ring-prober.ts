import type { Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Attacher } from '../attacher.ts';
import { type Requester, toNode, toResource } from '../requester.ts';
import type { Ring } from './ring.ts';

/** Between two questions of this node: a merge brings many links at once. */
const PAUSE_MS = 200;
/** After a question without a good answer; asked so often in all. */
const RETRY_MS = 10_000;
const MAX_TRIES = 3;
/** Linked peers that are still to be asked. */
const MAX_QUEUED = 32;

export interface ProberHost {
  readonly self: NodeId;
  readonly ring: Ring;
  readonly isMember: boolean;
  isConnected(nodeId: NodeId): boolean;
  isPeer(nodeId: NodeId): boolean;
}

/**
 * Finds out whether a linked peer belongs to another ring (RFC 6940 s10.7.4.4): asks through it who is responsible for this
 * node's own place. In one ring that is this node. In another one it is the peer next to which the two must be joined: it is
 * linked to, and its Updates and ours do the rest, neighbour by neighbour.
 */
export class RingProber implements Timed {
  private readonly host: ProberHost;
  private readonly requester: Requester;
  private readonly attacher: Attacher;
  /** How often each was asked already. */
  private readonly queue = new Map<NodeId, number>();
  private asking = false;
  private nextAt: number | undefined;

  constructor(components: { host: ProberHost; requester: Requester; attacher: Attacher }) {
    this.host = components.host;
    this.requester = components.requester;
    this.attacher = components.attacher;
  }

  /** To be asked soon. */
  probe(peer: NodeId, now: number): void {
    if (this.queue.size >= MAX_QUEUED || this.queue.has(peer)) return;
    this.queue.set(peer, 0);
    this.arm(now);
  }

  stop(): void {
    this.queue.clear();
    this.nextAt = undefined;
  }

  nextTimeout(): number | undefined {
    return this.nextAt;
  }

  handleTimeout(now: number): void {
    if (this.nextAt === undefined || this.nextAt > now) return;
    this.nextAt = undefined;
    const [first] = this.queue;
    if (first === undefined || !this.host.isMember) return;
    const [peer, tries] = first;
    this.queue.delete(peer);
    if (this.host.isConnected(peer)) this.ask(peer, tries, now);
    else this.arm(now);
  }

  private arm(at: number): void {
    if (!this.asking && this.queue.size > 0) this.nextAt = Math.max(this.nextAt ?? 0, at);
  }

  private ask(peer: NodeId, tries: number, now: number): void {
    this.asking = true;
    // Not the place after it, as in a join: peers that know this node already would send that back here.
    const destination = [toNode(peer), toResource(this.host.self)];
    const body = { type: 'ping_req' as const, padding: new Uint8Array() };
    this.requester.request({ destination, body, firstHop: peer }, now, (result, at) => {
      this.asking = false;
      if (result.ok) this.meet(result.signer.nodeId, peer, at);
      else this.again(peer, tries, at);
      this.arm(at + PAUSE_MS);
    });
  }

  private meet(found: NodeId, through: NodeId, now: number): void {
    const { host } = this;
    if (found === host.self || host.isPeer(found) || !host.ring.contains(found)) return;
    this.attacher.attach(found, { via: through, sendUpdate: true }, now, (result, at) => {
      if (!result.ok) this.again(through, 1, at);
    });
  }

  private again(peer: NodeId, tries: number, now: number): void {
    if (tries + 1 >= MAX_TRIES || this.queue.size >= MAX_QUEUED) return;
    this.queue.set(peer, tries + 1);
    this.arm(now + RETRY_MS);
  }
}
