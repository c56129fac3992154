import { earliest, type Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { ChordLeaveData } from '../../reload/index.ts';
import { LEAVE_TIMEOUT_MS } from '../constants.ts';
import { type Requester, toNode } from '../requester.ts';

/** Signed in one turn, beside those for the peers; a peer may have a thousand clients. */
const MAX_PER_TURN = 16;
const TURN_MS = 1;

export interface LeavingPeer {
  /** Linked peers. */
  readonly peers: readonly NodeId[];
  /** Nearest first. */
  readonly predecessors: readonly NodeId[];
  readonly successors: readonly NodeId[];
  /** Linked clients, and who is on its way in. */
  readonly others: readonly NodeId[];
}

/**
 * Says goodbye to the ring (RFC 6940 s10.9): Leaves to every linked node, the peers first. Clients have to hear of it too,
 * since they are to find another peer, and the link may stay.
 */
export class Farewell implements Timed {
  private readonly self: NodeId;
  private readonly requester: Requester;
  private untold: NodeId[] = [];
  private nextAt: number | undefined;
  private endsAt: number | undefined;
  private open = 0;
  private staying = 0;
  private done: (staying: number, now: number) => void = () => {};

  constructor(components: { self: NodeId; requester: Requester }) {
    this.self = components.self;
    this.requester = components.requester;
  }

  /**
   * @param done once the peers have answered, or after LEAVE_TIMEOUT_MS; not inside this call. `staying`: how many have
   * taken it who are not leaving themselves.
   */
  start(leaving: LeavingPeer, now: number, done: (staying: number, now: number) => void): void {
    this.done = done;
    this.staying = 0;
    this.open = leaving.peers.length;
    this.endsAt = now + (this.open === 0 ? 0 : LEAVE_TIMEOUT_MS);
    for (const peer of leaving.peers)
      this.send(peer, leaveDataFor(peer, leaving), now, (isStaying, at) => {
        if (this.endsAt === undefined) return;
        this.open -= 1;
        if (isStaying) this.staying += 1;
        if (this.open === 0) this.endsAt = at;
      });
    this.untold = [...leaving.others];
    this.tellSome(now);
  }

  /** Once more to a node that has not heard of it. */
  tell(nodeId: NodeId, now: number): void {
    this.send(nodeId, undefined, now, () => {});
  }

  /** Whoever is not told yet will not be. */
  stop(): void {
    this.endsAt = undefined;
    this.nextAt = undefined;
    this.untold = [];
  }

  nextTimeout(): number | undefined {
    return earliest(this.nextAt, this.endsAt);
  }

  handleTimeout(now: number): void {
    if (this.nextAt !== undefined && this.nextAt <= now) this.tellSome(now);
    if (this.endsAt === undefined || this.endsAt > now || this.nextAt !== undefined) return;
    this.endsAt = undefined;
    this.done(this.staying, now);
  }

  private tellSome(now: number): void {
    for (const nodeId of this.untold.splice(0, MAX_PER_TURN)) this.tell(nodeId, now);
    this.nextAt = this.untold.length > 0 ? now + TURN_MS : undefined;
  }

  private send(
    nodeId: NodeId,
    leaveData: ChordLeaveData | undefined,
    now: number,
    answered: (isStaying: boolean, now: number) => void,
  ): void {
    const body = { type: 'leave_req' as const, leavingPeerId: this.self, ...(leaveData && { leaveData }) };
    this.requester.request({ destination: [toNode(nodeId)], body, firstHop: nodeId }, now, ({ ok }, at) =>
      answered(ok, at),
    );
  }
}

/** RFC 6940 s10.9: a neighbour is told of those that it is to have instead. */
function leaveDataFor(peer: NodeId, { predecessors, successors }: LeavingPeer): ChordLeaveData | undefined {
  if (successors.includes(peer)) return { type: 'from_pred', predecessors };
  return predecessors.includes(peer) ? { type: 'from_succ', successors } : undefined;
}
