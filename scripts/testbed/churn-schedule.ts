import { type NodeId, isNodeId } from '../../src/base/node-id.ts';

/** Copies of a value beside the one at the responsible peer (RFC 6940 s10.4), so it is lost when so many and one more die at once. */
const REPLICAS = 2;

// Of both churns, that of real agents and that in virtual time.

/** So many start at once: each costs half a second of a core. */
export const STARTING_AT_ONCE = 4;
/** Until the first is killed: the copies of what was stored last are made. */
export const SETTLE_MS = 10_000;
/** How long an agent is away. */
export const DOWN_MS = { least: 2_000, most: 40_000 };
/** Silence is noticed in 30 s (RFC 7675 s5.1), RFC 6940 s10.7.1 holds new copies down for 30 s, then they are made. */
export const REPAIR_MS = 75_000;
export const LOOKUPS_PER_S = 5;
/** A program gives up sooner; what takes longer counts as wrong. */
export const LOOKUP_TIMEOUT_MS = 20_000;
/** What was not found is asked for again, of others, before it counts as lost. */
export const LOST_TRIES = 3;
export const LOST_PAUSE_MS = 5_000;
export const MAX_NOTES = 8;
export const MIN_RIGHT = 0.999;

interface Place {
  readonly key: NodeId;
  alive: boolean;
  /** When it died, or came (back) with nothing: until it had time to be given its copies it counts for nothing. */
  disturbedAt: number;
}

/**
 * Who may be killed, so that one replica of every value lives: of three neighbours in the ring, one at least has been there,
 * undisturbed, for longer than a repair takes.
 */
export class ChurnSchedule {
  private readonly places: Place[];
  private readonly repairMs: number;

  /**
   * @param keys in any order, all of them alive and settled
   * @throws {RangeError} for an address in the place of a Node-ID: 2001:22:b05:: stands before 2001:22:600c:: in the ring, but not by its text.
   */
  constructor(keys: readonly NodeId[], options: { readonly repairMs: number }) {
    const stranger = keys.find((key) => !isNodeId(key));
    if (stranger !== undefined) throw new RangeError(`not a Node-ID: ${stranger}`);
    this.places = [...keys].sort().map((key) => ({ key, alive: true, disturbedAt: -Infinity }));
    this.repairMs = options.repairMs;
  }

  /** Those that may be killed now. */
  candidates(now: number): NodeId[] {
    return this.places.filter((place, i) => place.alive && this.isSpared(i, now)).map(({ key }) => key);
  }

  died(key: NodeId, now: number): void {
    this.disturb(key, false, now);
  }

  cameBack(key: NodeId, now: number): void {
    this.disturb(key, true, now);
  }

  /** Whether each run of neighbours that the place is in keeps another that is settled. */
  private isSpared(index: number, now: number): boolean {
    // Dead places are skipped: the ring has closed over those that are dead for long.
    const ring = this.places.filter(({ alive, disturbedAt }) => alive || disturbedAt + this.repairMs > now);
    const at = ring.indexOf(this.places[index] as Place);
    const settled = (offset: number): boolean => {
      const place = ring[(at + offset + ring.length) % ring.length];
      return offset !== 0 && place !== undefined && place.alive && place.disturbedAt + this.repairMs <= now;
    };
    if (ring.length <= REPLICAS) return false;
    for (let first = -REPLICAS; first <= 0; first++) {
      const run = Array.from({ length: REPLICAS + 1 }, (_, i) => first + i);
      if (!run.some(settled)) return false;
    }
    return true;
  }

  private disturb(key: NodeId, alive: boolean, now: number): void {
    const place = this.places.find((other) => other.key === key);
    if (place === undefined) throw new RangeError(`no such place: ${key}`);
    place.alive = alive;
    place.disturbedAt = now;
  }
}
