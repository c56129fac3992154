import type { Timed } from '../../base/clock.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';

/** Peers that are looked for; the one lost longest ago is given up for a new one. */
const MAX_LOST = 32;
/** Since it was lost, the first time. */
const FIRST_SEARCH_MS = 10_000;
/**
 * Then each after this part of the time that it took so far, but at least this often, as whoever is without an overlay looks for
 * it (src/agent/bootstrap.ts): who was apart for two minutes is with the others again four seconds from when that can be.
 */
const PAUSE_SHARE = 1 / 40;
const MIN_PAUSE_MS = 3_000;
const MAX_PAUSE_MS = 120_000;
/** After a day, which is still within the time in which two rings are to find each other. */
const DAY_MS = 86_400_000;
const MAX_LATE_PAUSE_MS = 240_000;
/** Between two searches of this node, whoever they are for: as long as that, but at most this. */
const MAX_GAP_MS = 10_000;
/** As long as a member is remembered that was not heard (ROSTER_LIFETIME_S); then it has to find its way in itself. */
const GIVE_UP_MS = 30 * DAY_MS;

interface Lost {
  readonly at: number;
  nextAt: number;
}

/**
 * Peers of the ring whose links ended without a farewell. They may have crashed, or the network may have fallen into parts,
 * each of which closes its ring: then no message reaches the others, and only a direct link to where one of them was can
 * bring the rings together again. So each is searched for from time to time, at growing intervals.
 */
export class LostPeers implements Timed {
  private readonly random: Random;
  private readonly search: (nodeId: NodeId, now: number) => void;
  private readonly lost = new Map<NodeId, Lost>();
  private freeAt = 0;

  constructor(components: { random: Random; search: (nodeId: NodeId, now: number) => void }) {
    this.random = components.random;
    this.search = components.search;
  }

  get size(): number {
    return this.lost.size;
  }

  add(nodeId: NodeId, now: number): void {
    const known = this.lost.get(nodeId);
    this.lost.delete(nodeId);
    this.lost.set(nodeId, known ?? { at: now, nextAt: now + FIRST_SEARCH_MS * (0.75 + this.random.float() / 2) });
    if (this.lost.size <= MAX_LOST) return;
    const [oldest] = this.lost.keys();
    if (oldest !== undefined) this.lost.delete(oldest);
  }

  /** It is linked, or it has said goodbye. */
  remove(nodeId: NodeId): void {
    this.lost.delete(nodeId);
  }

  clear(): void {
    this.lost.clear();
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const { nextAt } of this.lost.values()) if (next === undefined || nextAt < next) next = nextAt;
    return next === undefined ? undefined : Math.max(next, this.freeAt);
  }

  handleTimeout(now: number): void {
    if (this.freeAt > now) return;
    let first: [NodeId, Lost] | undefined;
    for (const entry of this.lost) if (first === undefined || entry[1].nextAt < first[1].nextAt) first = entry;
    if (first === undefined || first[1].nextAt > now) return;
    const [nodeId, entry] = first;
    const age = now - entry.at;
    if (age > GIVE_UP_MS) {
      this.lost.delete(nodeId);
      return;
    }
    const pause = Math.max(MIN_PAUSE_MS, age * PAUSE_SHARE) * (0.75 + this.random.float() / 2);
    entry.nextAt = now + Math.min(age > DAY_MS ? MAX_LATE_PAUSE_MS : MAX_PAUSE_MS, pause);
    this.freeAt = now + Math.min(MAX_GAP_MS, pause);
    this.search(nodeId, now);
  }
}
