import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { MAX_BINDING_SERVERS } from '../mobility/constants.ts';
import { isStreamAddress } from '../base/stream-address.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { Association } from './association.ts';
import { MAX_SERVERS_CONSIDERED } from './constants.ts';

/** Peers without a NAT in front of them can tell how they see us: one address each, those that everyone reaches first. */
export function bindingServers(
  associations: Iterable<Association>,
  mayReach: (address: string) => boolean,
): readonly SocketAddress[] {
  const reachable: SocketAddress[] = [];
  const others: SocketAddress[] = [];
  let considered = 0;
  for (const association of associations) {
    const { path, state } = association;
    if (state !== 'up' || path === undefined) continue;
    // Of the pair that ICE chose; the data plane may have gone elsewhere since.
    const { ice } = path;
    if (ice !== undefined && ice.remoteType !== 'host' && sameSocketAddress(ice.remote, path.remote)) continue;
    if (isStreamAddress(path.remote.address)) continue;
    considered += 1;
    if (considered > MAX_SERVERS_CONSIDERED) break;
    const remote = mayReach(path.remote.address) ? path.remote : otherAddress(association, mayReach);
    if (remote === undefined) continue;
    const found = isGloballyReachable(remote.address) ? reachable : others;
    if (!found.some(({ address }) => address === remote.address)) found.push(remote);
    if (reachable.length >= MAX_BINDING_SERVERS) break;
  }
  return [...reachable, ...others];
}

/** In the family that we have now, of a peer that everyone reaches there too. */
function otherAddress({ ice }: Association, mayReach: (address: string) => boolean): SocketAddress | undefined {
  const known = ice?.remoteCandidates.find(
    ({ type, address: { address } }) => type === 'host' && mayReach(address) && isGloballyReachable(address),
  );
  return known?.address;
}
