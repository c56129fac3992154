import type { NodeId } from '../base/node-id.ts';

/** What the node tells whoever drives it. */
export type OverlayEvent =
  | { readonly type: 'joined' }
  | { readonly type: 'left' }
  /** This node is a peer, or a client, from now on; it was in the overlay before and is still. */
  | { readonly type: 'roleChanged'; readonly role: OverlayRole }
  /** A linked peer has left the ring, and its link is there still. */
  | { readonly type: 'becameClient'; readonly nodeId: NodeId }
  /** A linked node has said that it is a peer: a way in for others, and for us another time. */
  | { readonly type: 'peerSeen'; readonly nodeId: NodeId }
  /** No peer is linked any more: a link to some member and `join` are needed. */
  | { readonly type: 'isolated' }
  /**
   * A peer that was lost without a farewell: a direct link to where it was last, if that is known, is to be tried. It may
   * be in a ring of its own, where no message of this one gets.
   */
  | { readonly type: 'seekPeer'; readonly nodeId: NodeId }
  | {
      readonly type: 'neighborsChanged';
      /** Nearest first. */
      readonly predecessors: readonly NodeId[];
      readonly successors: readonly NodeId[];
    }
  /** This peer is now responsible for (from, to]; for a client, `to` is the peer that is responsible for it. */
  | { readonly type: 'responsibleChanged'; readonly from: NodeId; readonly to: NodeId };

export type OverlayEventHandler = (event: OverlayEvent, now: number) => void;

/** RFC 6940 s6.1: a client neither stores nor routes. */
export type OverlayRole = 'peer' | 'client';

/**
 *   idle ──create──> joined ──leave──> left
 *     └──join──> joining ──┘ ^
 *                   └────────┘
 *
 * A node that is joined changes its role without leaving that state.
 */
export type OverlayState = 'idle' | 'joining' | 'joined' | 'left';
