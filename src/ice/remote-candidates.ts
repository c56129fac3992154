import type { Candidate } from '../base/candidate.ts';
import { isIndirectAddress } from '../base/stream-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress, parseSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { formFoundation } from './candidates.ts';
import { MAX_REMOTE_CANDIDATES } from './constants.ts';

/** Addresses of the peer: those it named, and those that its checks came from. Bounded. */
export class RemoteCandidates {
  private readonly byAddress = new Map<string, Candidate>();

  get all(): readonly Candidate[] {
    return [...this.byAddress.values()];
  }

  /**
   * Named by the peer. One that was learned from a check before is replaced, in its pairs too (RFC 8445 s7.3.1.3).
   * @returns those whose address is new.
   */
  add(candidates: readonly Candidate[], pairs: readonly CandidatePair[]): Candidate[] {
    const fresh: Candidate[] = [];
    for (const named of candidates.toSorted((a, b) => b.priority - a.priority)) {
      const key = formatSocketAddress(named.address);
      // What is no IP address (a name, say) reaches nobody.
      const address = parseSocketAddress(key);
      if (address === undefined) continue;
      const candidate = { ...named, address };
      const known = this.byAddress.get(formatSocketAddress(address));
      if (known !== undefined && known.type !== 'prflx') continue;
      if (known === undefined) {
        // What nobody named gives way: between two NATs with a mapping for each destination there is always more of it.
        if (!this.makeRoomForOne(undefined)) continue;
        fresh.push(candidate);
      }
      this.byAddress.set(formatSocketAddress(address), candidate);
      for (const pair of pairs) if (sameSocketAddress(pair.remote.address, address)) pair.remote = candidate;
    }
    return fresh;
  }

  /**
   * For these, all that the peer has: of those that it named before, the oldest give way. `kept` does not.
   * @returns the addresses that are not known any more.
   */
  makeRoom(named: readonly Candidate[], kept: SocketAddress | undefined): SocketAddress[] {
    const still = new Set(named.map(({ address }) => formatSocketAddress(address)));
    if (kept !== undefined) still.add(formatSocketAddress(kept));
    let missing = named.filter(({ address }) => !this.byAddress.has(formatSocketAddress(address))).length;
    missing -= MAX_REMOTE_CANDIDATES - this.byAddress.size;
    const gone: SocketAddress[] = [];
    for (const [key, { address }] of this.byAddress) {
      if (gone.length >= missing) break;
      if (still.has(key)) continue;
      this.byAddress.delete(key);
      gone.push(address);
    }
    return gone;
  }

  /** The candidate at an address that a check came from; a new one is peer-reflexive. `kept` is not dropped for it. */
  learn(address: SocketAddress, priority: number, kept: SocketAddress | undefined): Candidate {
    const key = formatSocketAddress(address);
    const known = this.byAddress.get(key);
    if (known !== undefined) return known;
    const hasRoom = this.makeRoomForOne(kept);
    const type = isIndirectAddress(address.address) ? 'relay' : 'prflx';
    const candidate: Candidate = { type, address, priority, foundation: formFoundation(type, key) };
    if (hasRoom) this.byAddress.set(key, candidate);
    return candidate;
  }

  /** For one more: the oldest that was learned goes, if it has to. */
  private makeRoomForOne(kept: SocketAddress | undefined): boolean {
    if (this.byAddress.size < MAX_REMOTE_CANDIDATES) return true;
    const oldest = [...this.byAddress].find(
      ([, { type, address: other }]) => type === 'prflx' && (kept === undefined || !sameSocketAddress(other, kept)),
    );
    return oldest !== undefined && this.byAddress.delete(oldest[0]);
  }
}
