import type { NodeId } from '../../base/node-id.ts';
import type { ChordUpdate } from '../../reload/index.ts';
import { type Requester, toNode } from '../requester.ts';

export type UpdateKind = ChordUpdate['type'];

/** Sends Updates, one at a time to each node: what changes meanwhile goes with the next (RFC 6940 s10.7). */
export class UpdateSender {
  private readonly requester: Requester;
  private readonly compose: (kind: UpdateKind, now: number) => ChordUpdate;
  private readonly failed: (nodeId: NodeId, now: number) => void;
  private readonly inFlight = new Map<NodeId, UpdateKind | undefined>();

  constructor(components: {
    requester: Requester;
    compose: (kind: UpdateKind, now: number) => ChordUpdate;
    /** The node did not answer, or refused. */
    failed: (nodeId: NodeId, now: number) => void;
  }) {
    this.requester = components.requester;
    this.compose = components.compose;
    this.failed = components.failed;
  }

  send(nodeId: NodeId, kind: UpdateKind, now: number): void {
    if (this.inFlight.has(nodeId)) {
      this.inFlight.set(nodeId, kind);
      return;
    }
    this.inFlight.set(nodeId, undefined);
    this.requester.request(
      {
        destination: [toNode(nodeId)],
        body: { type: 'update_req', update: this.compose(kind, now) },
        firstHop: nodeId,
      },
      now,
      (result, at) => {
        const again = this.inFlight.get(nodeId);
        this.inFlight.delete(nodeId);
        if (!result.ok) this.failed(nodeId, at);
        else if (again !== undefined) this.send(nodeId, again, at);
      },
    );
  }
}
