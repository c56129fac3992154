import type { Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { ChordUpdate } from '../../reload/index.ts';
import { OverlayTimeoutError } from '../errors.ts';
import { type Requester, toNode } from '../requester.ts';

export type UpdateKind = ChordUpdate['type'];

/** Signed in one turn; a peer may have a thousand clients to tell of a change. */
const MAX_PER_TURN = 16;
const TURN_MS = 1;

/** Sends Updates, one at a time to each node: what changes meanwhile goes with the next (RFC 6940 s10.7). */
export class UpdateSender implements Timed {
  private readonly requester: Requester;
  private readonly compose: (kind: UpdateKind, now: number) => ChordUpdate;
  private readonly failed: (nodeId: NodeId, now: number) => void;
  private readonly queued = new Map<NodeId, UpdateKind>();
  private nextAt: number | undefined;
  private readonly inFlight = new Map<NodeId, { transactionId: bigint; again: UpdateKind | undefined }>();

  constructor(components: {
    requester: Requester;
    compose: (kind: UpdateKind, now: number) => ChordUpdate;
    /** The node did not answer. */
    failed: (nodeId: NodeId, now: number) => void;
  }) {
    this.requester = components.requester;
    this.compose = components.compose;
    this.failed = components.failed;
  }

  send(nodeId: NodeId, kind: UpdateKind, now: number): void {
    const waiting = this.inFlight.get(nodeId);
    if (waiting !== undefined) {
      waiting.again = kind;
      return;
    }
    const update = this.compose(kind, now);
    const request = { destination: [toNode(nodeId)], body: { type: 'update_req' as const, update }, firstHop: nodeId };
    const transactionId = this.requester.request(request, now, (result, at) => {
      const again = this.inFlight.get(nodeId)?.again;
      this.inFlight.delete(nodeId);
      // A node that refuses is there all the same, and so are its links.
      if (!result.ok && result.error instanceof OverlayTimeoutError) this.failed(nodeId, at);
      else if (again !== undefined) this.send(nodeId, again, at);
    });
    this.inFlight.set(nodeId, { transactionId, again: undefined });
  }

  /** As `send` to each of them, some in this turn and the others in the next ones. */
  sendAll(nodeIds: Iterable<NodeId>, kind: UpdateKind, now: number): void {
    for (const nodeId of nodeIds) this.queued.set(nodeId, kind);
    if (this.nextAt === undefined) this.sendQueued(now);
  }

  nextTimeout(): number | undefined {
    return this.nextAt;
  }

  handleTimeout(now: number): void {
    if (this.nextAt !== undefined && this.nextAt <= now) this.sendQueued(now);
  }

  private sendQueued(now: number): void {
    let left = MAX_PER_TURN;
    for (const [nodeId, kind] of this.queued) {
      if (left === 0) break;
      left -= 1;
      this.queued.delete(nodeId);
      this.send(nodeId, kind, now);
    }
    this.nextAt = this.queued.size > 0 ? now + TURN_MS : undefined;
  }

  /** What waits is not sent any more, nor sent again what is under way. */
  stop(): void {
    this.queued.clear();
    this.nextAt = undefined;
    for (const { transactionId } of this.inFlight.values()) this.requester.cancel(transactionId);
    this.inFlight.clear();
  }

  /** The link is gone: what was under way over it says nothing about the next one. */
  forget(nodeId: NodeId): void {
    this.queued.delete(nodeId);
    const waiting = this.inFlight.get(nodeId);
    if (waiting === undefined) return;
    this.inFlight.delete(nodeId);
    this.requester.cancel(waiting.transactionId);
  }
}
