import type { Candidate } from '../base/candidate.ts';
import { isIndirectAddress } from '../base/stream-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress, parseSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { formFoundation } from './candidates.ts';
import { MAX_REMOTE_CANDIDATES } from './constants.ts';

/** Addresses of the peer: those it named, and those that its checks came from. Bounded. */
export class RemoteCandidates {
  /** The oldest first, in an array without room for more: every link keeps some. */
  private candidates: readonly Candidate[] = [];

  get all(): readonly Candidate[] {
    return this.candidates;
  }

  /**
   * Named by the peer. One that was learned from a check before is replaced, in its pairs too (RFC 8445 s7.3.1.3).
   * @returns those whose address is new.
   */
  add(candidates: readonly Candidate[], pairs: readonly CandidatePair[]): Candidate[] {
    const fresh: Candidate[] = [];
    for (const named of candidates.toSorted((a, b) => b.priority - a.priority)) {
      // What is no IP address (a name, say) reaches nobody.
      const address = parseSocketAddress(formatSocketAddress(named.address));
      if (address === undefined) continue;
      const candidate = { ...named, address };
      const known = this.at(address);
      if (known !== undefined && known.type !== 'prflx') continue;
      if (known === undefined) {
        // What nobody named gives way: between two NATs with a mapping for each destination there is always more of it.
        if (!this.makeRoomForOne(undefined)) continue;
        fresh.push(candidate);
        this.candidates = this.candidates.concat(candidate);
      } else this.candidates = this.candidates.map((other) => (other === known ? candidate : other));
      for (const pair of pairs) if (sameSocketAddress(pair.remote.address, address)) pair.remote = candidate;
    }
    return fresh;
  }

  /**
   * For these, all that the peer has: of those that it named before, the oldest give way. `kept` does not.
   * @returns the addresses that are not known any more.
   */
  makeRoom(named: readonly Candidate[], kept: SocketAddress | undefined): SocketAddress[] {
    const still = [...named.map(({ address }) => address), ...(kept === undefined ? [] : [kept])];
    let missing = named.filter(({ address }) => this.at(address) === undefined).length;
    missing -= MAX_REMOTE_CANDIDATES - this.candidates.length;
    const isOver = ({ address }: Candidate): boolean => !still.some((other) => sameSocketAddress(other, address));
    const gone = this.candidates.filter(isOver).slice(0, Math.max(0, missing));
    if (gone.length > 0) this.candidates = this.candidates.filter((candidate) => !gone.includes(candidate));
    return gone.map(({ address }) => address);
  }

  /** The candidate at an address that a check came from; a new one is peer-reflexive. `kept` is not dropped for it. */
  learn(address: SocketAddress, priority: number, kept: SocketAddress | undefined): Candidate {
    const known = this.at(address);
    if (known !== undefined) return known;
    const hasRoom = this.makeRoomForOne(kept);
    const type = isIndirectAddress(address.address) ? 'relay' : 'prflx';
    const candidate: Candidate = {
      type,
      address,
      priority,
      foundation: formFoundation(type, formatSocketAddress(address)),
    };
    if (hasRoom) this.candidates = this.candidates.concat(candidate);
    return candidate;
  }

  private at(address: SocketAddress): Candidate | undefined {
    return this.candidates.find((candidate) => sameSocketAddress(candidate.address, address));
  }

  /** For one more: the oldest that was learned goes, if it has to. */
  private makeRoomForOne(kept: SocketAddress | undefined): boolean {
    if (this.candidates.length < MAX_REMOTE_CANDIDATES) return true;
    const oldest = this.candidates.find(
      ({ type, address: other }) => type === 'prflx' && (kept === undefined || !sameSocketAddress(other, kept)),
    );
    if (oldest === undefined) return false;
    this.candidates = this.candidates.filter((candidate) => candidate !== oldest);
    return true;
  }
}
