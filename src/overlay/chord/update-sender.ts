import type { NodeId } from '../../base/node-id.ts';
import type { ChordUpdate } from '../../reload/index.ts';
import { OverlayTimeoutError } from '../errors.ts';
import { type Requester, toNode } from '../requester.ts';

export type UpdateKind = ChordUpdate['type'];

/** Sends Updates, one at a time to each node: what changes meanwhile goes with the next (RFC 6940 s10.7). */
export class UpdateSender {
  private readonly requester: Requester;
  private readonly compose: (kind: UpdateKind, now: number) => ChordUpdate;
  private readonly failed: (nodeId: NodeId, now: number) => void;
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

  /** The link is gone: what was under way over it says nothing about the next one. */
  forget(nodeId: NodeId): void {
    const waiting = this.inFlight.get(nodeId);
    if (waiting === undefined) return;
    this.inFlight.delete(nodeId);
    this.requester.cancel(waiting.transactionId);
  }
}
