import type { Candidate } from '../base/candidate.ts';
import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isIndirectAddress } from '../base/stream-address.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { Association } from './association.ts';

/** Where a peer most likely is that is not to be reached where it was. */
export class ExpectedPaths {
  private readonly addresses: Pick<LocalAddresses, 'candidates' | 'agreed' | 'has' | 'mayReach'>;

  constructor(addresses: Pick<LocalAddresses, 'candidates' | 'agreed' | 'has' | 'mayReach'>) {
    this.addresses = addresses;
  }

  /** The peer has named these by the overlay. Where it is elsewhere than we send to it is sent to at once, before any check is answered. */
  named(association: Association, candidates: readonly Candidate[]): void {
    const { path } = association;
    if (path === undefined || association.isIndirect) return;
    if (candidates.some(({ address }) => sameSocketAddress(address, path.remote))) return;
    this.expect(association, candidates);
  }

  /** We have no address any more from which the peer could be reached where it was: what else it has named is tried. */
  outOfReach(association: Association): void {
    const { path, ice } = association;
    // Others may hand on already what goes to it.
    const remote = path?.ice?.remote ?? path?.remote;
    if (remote === undefined || ice === undefined || isIndirectAddress(remote.address)) return;
    if (!this.addresses.mayReach(remote.address)) this.expect(association, ice.remoteCandidates);
  }

  private expect(association: Association, candidates: readonly Candidate[]): void {
    const remote = this.likeliest(candidates);
    const local = remote && this.localFor(association, remote);
    if (remote !== undefined && local !== undefined) association.expectAt({ local, remote });
  }

  /** Not one that only hosts beside it reach, unless it has no other; nor the NAT that we are behind ourselves. */
  private likeliest(candidates: readonly Candidate[]): SocketAddress | undefined {
    const beside = this.addresses.agreed.map(({ mapped }) => mapped.address);
    const reached = candidates
      .filter(({ type, address }) => type !== 'relay' && !isIndirectAddress(address.address))
      .filter(({ address: { address } }) => this.addresses.mayReach(address) && !beside.includes(address))
      .toSorted((a, b) => b.priority - a.priority);
    return (reached.find(({ address }) => isGloballyReachable(address.address)) ?? reached[0])?.address;
  }

  private localFor({ path }: Association, remote: SocketAddress): SocketAddress | undefined {
    const isAlike = ({ address }: SocketAddress): boolean => address.includes(':') === remote.address.includes(':');
    const used = path?.local;
    if (used !== undefined && isAlike(used) && this.addresses.has(used.address)) return used;
    return this.addresses.candidates.find(({ type, address }) => type === 'host' && isAlike(address))?.address;
  }
}
