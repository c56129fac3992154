import type { IceParameters } from '../base/candidate.ts';
import type { NodeId } from '../base/node-id.ts';

/**
 * The links below the overlay (RFC 6940 s6.6), as the overlay sees them: calls have effects only, what becomes of them is
 * told by `OverlayNode.linkUp`, `linkMended`, `linkDown` and `receive`.
 */
export interface OverlayLinks {
  isUp(nodeId: NodeId): boolean;
  /** There is a link, and it waits for a path that works. */
  isMending(nodeId: NodeId): boolean;
  /** False while what it was sent lately is not acknowledged. */
  isAnswering(nodeId: NodeId): boolean;
  /** One whole RELOAD message; framing, retransmission and fragmentation are the link's. */
  send(nodeId: NodeId, message: Uint8Array): void;
  /** For the sender of Attach or AppAttach: makes the controlling side of a new link, or of an ICE restart. */
  offer(nodeId: NodeId): IceParameters;
  /** For the receiver: makes the controlled side. `forPackets`: the other end has packets of its applications to send (AppAttach). */
  answer(nodeId: NodeId, remote: IceParameters, options: { readonly forPackets: boolean }): IceParameters;
  /** The answer to our offer arrived. */
  accept(nodeId: NodeId, remote: IceParameters): void;
  /** Our offer failed. */
  cancel(nodeId: NodeId): void;
}
