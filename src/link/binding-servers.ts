import type { SocketAddress } from '../base/socket-address.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { Association } from './association.ts';

/** Peers without a NAT in front of them can tell how they see us: one address each, those that everyone reaches first. */
export function bindingServers(associations: Iterable<Association>): readonly SocketAddress[] {
  const servers: SocketAddress[] = [];
  for (const { path, state } of associations) {
    if (state !== 'up' || path === undefined) continue;
    if (path.ice !== undefined && path.ice.remoteType !== 'host') continue;
    if (!servers.some(({ address }) => address === path.remote.address)) servers.push(path.remote);
  }
  return servers.sort((a, b) => Number(isGloballyReachable(b.address)) - Number(isGloballyReachable(a.address)));
}
