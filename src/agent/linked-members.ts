import type { Clock } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import { type VerifiedPeer, validityOf } from '../identity/trust-store.ts';

/** Members that are linked now, with what their certificates say. */
export class LinkedMembers {
  private readonly peers = new Map<Hit, VerifiedPeer>();
  /** When their certificates were shown, by the monotonic clock. */
  private readonly shownAt = new Map<Hit, number>();

  get all(): ReadonlyMap<Hit, VerifiedPeer> {
    return this.peers;
  }

  get hits(): Iterable<Hit> {
    return this.peers.keys();
  }

  get size(): number {
    return this.peers.size;
  }

  /** Stops at the first: asked at each link of thousands. */
  some(is: (hit: Hit) => boolean): boolean {
    for (const hit of this.peers.keys()) if (is(hit)) return true;
    return false;
  }

  has(hit: Hit): boolean {
    return this.peers.has(hit);
  }

  add(hit: Hit, peer: VerifiedPeer, now: number): void {
    this.peers.set(hit, peer);
    this.shownAt.set(hit, now);
  }

  /** @returns whether it was there. */
  remove(hit: Hit): boolean {
    this.shownAt.delete(hit);
    return this.peers.delete(hit);
  }

  /** Whose certificate was not in force when it was shown, by what is known of the time now. */
  letInByMistake(clock: Clock): Hit[] {
    const ahead = clock.wall() - clock.monotonic();
    return [...this.peers]
      .filter(([hit, { certificate }]) => validityOf(certificate, ahead + (this.shownAt.get(hit) ?? 0)) !== 'valid')
      .map(([hit]) => hit);
  }
}
