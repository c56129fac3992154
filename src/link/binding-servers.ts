import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { MAX_BINDING_SERVERS } from '../mobility/constants.ts';
import { isStreamAddress } from '../base/stream-address.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { Association } from './association.ts';
import { MAX_SERVERS_CONSIDERED } from './constants.ts';

/** Peers without a NAT in front of them can tell how they see us: one address each, those that everyone reaches first. */
export function bindingServers(associations: Iterable<Association>): readonly SocketAddress[] {
  const reachable: SocketAddress[] = [];
  const others: SocketAddress[] = [];
  let considered = 0;
  for (const { path, state } of associations) {
    if (state !== 'up' || path === undefined) continue;
    const { ice, remote } = path;
    // Of the pair that ICE chose; the data plane may have gone elsewhere since.
    if (ice !== undefined && ice.remoteType !== 'host' && sameSocketAddress(ice.remote, remote)) continue;
    if (isStreamAddress(remote.address)) continue;
    const found = isGloballyReachable(remote.address) ? reachable : others;
    if (!found.some(({ address }) => address === remote.address)) found.push(remote);
    considered += 1;
    if (reachable.length >= MAX_BINDING_SERVERS || considered >= MAX_SERVERS_CONSIDERED) break;
  }
  return [...reachable, ...others];
}
