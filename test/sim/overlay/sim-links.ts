import type { IceParameters } from '../../../src/base/candidate.ts';
import type { NodeId } from '../../../src/base/node-id.ts';
import type { OverlayLinks } from '../../../src/overlay/links.ts';

/** What a simulated link needs of the world around it. */
export interface LinkWorld {
  /** Hands a message over after the latency, unless it is lost. */
  carry(from: NodeId, to: NodeId, message: Uint8Array): void;
  /** Both ends have exchanged candidates: the link comes up a little later if both live and can reach each other. */
  establish(a: NodeId, b: NodeId): void;
  token(): string;
}

/** The link layer of one simulated node: offers are tokens, and a link comes up when offer and answer belong together. */
export class SimLinks implements OverlayLinks {
  private readonly self: NodeId;
  private readonly world: LinkWorld;
  readonly up = new Set<NodeId>();
  /** Our offer, until it is answered or cancelled. */
  readonly offered = new Map<NodeId, string>();
  /** Links that it wanted to make. */
  offers = 0;
  /** The offer of theirs that we answered. */
  readonly answered = new Map<NodeId, string>();

  constructor(self: NodeId, world: LinkWorld) {
    this.self = self;
    this.world = world;
  }

  isUp(nodeId: NodeId): boolean {
    return this.up.has(nodeId);
  }

  isMending(): boolean {
    return false;
  }

  isAnswering(): boolean {
    return true;
  }

  send(nodeId: NodeId, message: Uint8Array): void {
    if (this.up.has(nodeId)) this.world.carry(this.self, nodeId, message.slice());
  }

  offer(nodeId: NodeId): IceParameters {
    const ufrag = this.world.token();
    this.offers += 1;
    this.offered.set(nodeId, ufrag);
    return parameters(ufrag);
  }

  answer(nodeId: NodeId, remote: IceParameters): IceParameters {
    this.answered.set(nodeId, remote.ufrag);
    return parameters(this.world.token());
  }

  accept(nodeId: NodeId): void {
    if (this.offered.has(nodeId)) this.world.establish(this.self, nodeId);
  }

  cancel(nodeId: NodeId): void {
    this.offered.delete(nodeId);
  }
}

function parameters(ufrag: string): IceParameters {
  return {
    ufrag,
    pwd: `${ufrag}passwordpassword`,
    candidates: [
      { type: 'host', address: { address: '192.0.2.1', port: 6084 }, priority: 2130706431, foundation: '1' },
    ],
  };
}
