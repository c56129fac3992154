/** Copies of a value beside the one at the responsible peer (RFC 6940 s10.4), so it is lost when so many and one more die at once. */
const REPLICAS = 2;

interface Place {
  readonly key: string;
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

  /** @param keys Node-IDs, in any order, all of them alive and settled */
  constructor(keys: readonly string[], options: { readonly repairMs: number }) {
    this.places = [...keys].sort().map((key) => ({ key, alive: true, disturbedAt: -Infinity }));
    this.repairMs = options.repairMs;
  }

  /** Those that may be killed now. */
  candidates(now: number): string[] {
    return this.places.filter((place, i) => place.alive && this.isSpared(i, now)).map(({ key }) => key);
  }

  died(key: string, now: number): void {
    this.disturb(key, false, now);
  }

  cameBack(key: string, now: number): void {
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

  private disturb(key: string, alive: boolean, now: number): void {
    const place = this.places.find((other) => other.key === key);
    if (place === undefined) throw new RangeError(`no such place: ${key}`);
    place.alive = alive;
    place.disturbedAt = now;
  }
}
