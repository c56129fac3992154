import type { Timed } from '../base/clock.ts';
import type { NodeId } from '../base/node-id.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { MAX_LIMITED_NODES, UPDATE_RATE } from './constants.ts';
import { RateLimiter } from './rate-limiter.ts';

/**
 * Updates of each linked node, no more often than UPDATE_RATE whatever it sends: each costs a signature checked, one made, and a
 * look at everybody whom it names. Other requests beyond their rate are dropped; an Update is the state of a peer, so the latest
 * is kept, unread, and looked at when there is a token again. Nothing true is lost by that, as each says all that the ones
 * before it said; who waits for an answer before the next one, as we do, is answered each time.
 */
export class UpdateIntake<T> implements Timed {
  private readonly look: (nodeId: NodeId, update: T, now: number) => void;
  private readonly rate = new RateLimiter(UPDATE_RATE, MAX_LIMITED_NODES);
  /** One of each linked node at most. */
  private readonly kept = new Map<NodeId, T>();
  private readonly turns = new TimerQueue<NodeId>();

  constructor(components: { look: (nodeId: NodeId, update: T, now: number) => void }) {
    this.look = components.look;
  }

  get waiting(): number {
    return this.kept.size;
  }

  /** @returns false when it takes the place of one that waited, which will not be looked at. */
  arrived(nodeId: NodeId, update: T, now: number): boolean {
    const isAlone = !this.kept.has(nodeId);
    if (this.rate.take(nodeId, now)) {
      this.forget(nodeId);
      this.look(nodeId, update, now);
    } else {
      this.kept.set(nodeId, update);
      if (isAlone) this.turns.set(nodeId, this.rate.availableAt(nodeId, now));
    }
    return isAlone;
  }

  /** The link that it came over is gone, or another one. */
  forget(nodeId: NodeId): void {
    this.kept.delete(nodeId);
    this.turns.clear(nodeId);
  }

  /** What waits is not looked at any more. */
  stop(): void {
    for (const nodeId of [...this.kept.keys()]) this.forget(nodeId);
  }

  nextTimeout(): number | undefined {
    return this.turns.next();
  }

  handleTimeout(now: number): void {
    for (let nodeId = this.turns.due(now); nodeId !== undefined; nodeId = this.turns.due(now)) {
      const update = this.kept.get(nodeId);
      if (update === undefined) continue;
      this.kept.delete(nodeId);
      this.rate.take(nodeId, now);
      this.look(nodeId, update, now);
    }
  }
}
