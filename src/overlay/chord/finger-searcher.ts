import type { Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import type { Attacher } from '../attacher.ts';
import { MAX_INITIAL_FINGERS } from '../constants.ts';
import { type Requester, toResource } from '../requester.ts';
import type { FingerSearch, FingerTable } from './finger-table.ts';
import type { NeighborTable } from './neighbor-table.ts';

/** After a peer was lost or found: lets what belongs together happen first. */
const NUDGE_MS = 2_000;

/**
 * Fills the finger table (RFC 6940 s10.7.4.2, alternative 1): a Ping to a random id in the range of a finger without a
 * peer, then an Attach to who answers. All missing fingers in turn after the join and after a finger was lost, later one
 * each interval.
 */
export class FingerSearcher implements Timed {
  private readonly fingers: FingerTable;
  private readonly neighbors: NeighborTable;
  private readonly requester: Requester;
  private readonly attacher: Attacher;
  private readonly random: Random;
  private readonly isConnected: (nodeId: NodeId) => boolean;
  private readonly intervalMs: number;
  private nextAt: number | undefined;
  private queue: number[] = [];
  private searching = false;
  private known = 0;

  constructor(components: {
    fingers: FingerTable;
    neighbors: NeighborTable;
    requester: Requester;
    attacher: Attacher;
    random: Random;
    isConnected: (nodeId: NodeId) => boolean;
    intervalMs: number;
  }) {
    this.fingers = components.fingers;
    this.neighbors = components.neighbors;
    this.requester = components.requester;
    this.attacher = components.attacher;
    this.random = components.random;
    this.isConnected = components.isConnected;
    this.intervalMs = components.intervalMs;
  }

  start(now: number): void {
    this.nextAt = now + NUDGE_MS;
    this.known = 0;
  }

  stop(): void {
    this.nextAt = undefined;
    this.queue = [];
  }

  /** The routing table changed: looks again soon when fingers are missing that were not before. */
  nudge(now: number): void {
    if (this.nextAt !== undefined) this.nextAt = Math.min(this.nextAt, now + NUDGE_MS);
  }

  nextTimeout(): number | undefined {
    return this.nextAt;
  }

  handleTimeout(now: number): void {
    if (this.nextAt === undefined || this.nextAt > now) return;
    this.nextAt = now + this.intervalMs * (0.75 + this.random.float() / 2);
    if (this.searching) return;
    const last = this.neighbors.successors.at(-1);
    const missing = this.fingers.missing(last).slice(0, MAX_INITIAL_FINGERS);
    if (missing.length > this.known || this.known === 0) this.queue = missing;
    else {
      const one = this.fingers.pickSearch(last, this.random);
      this.queue = one === undefined ? [] : [one.index];
    }
    this.known = missing.length;
    this.searchNext(now);
  }

  private searchNext(now: number): void {
    const index = this.queue.shift();
    if (index === undefined || this.nextAt === undefined) {
      this.searching = false;
      return;
    }
    this.searching = true;
    this.search(this.fingers.searchFor(index, this.random), now);
  }

  private search({ index, target }: FingerSearch, now: number): void {
    this.requester.request(
      { destination: [toResource(target)], body: { type: 'ping_req', padding: new Uint8Array() } },
      now,
      (result, at) => {
        const found = result.ok ? result.signer.nodeId : undefined;
        if (found === undefined || this.isConnected(found) || !this.fingers.isValid(index, found)) {
          this.searchNext(at);
          return;
        }
        this.attacher.attach(found, { sendUpdate: true }, at, (_, later) => this.searchNext(later));
      },
    );
  }
}
