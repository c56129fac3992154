import { isAllocationAddress } from '../base/allocation-address.ts';
import { addressToHit, hitToAddress, isHitAddress, type Hit } from '../base/node-id.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { fromStreamAddress, isStreamAddress } from '../base/stream-address.ts';
import type { LinkStatus, PathStatus } from '../control/schemas.ts';
import type { LinkPath } from '../link/link-manager.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import { dependsOnDestination, type MappingBehavior } from '../mobility/mapping-behavior.ts';
import type { PathReport } from '../native/data-plane.ts';

export type NameOf = (hit: Hit) => string | null;
export type KeptPath = NonNullable<LinkStatus['paths']>[number];

/** The path that a link uses, as others are told of it; null: none yet. */
export function describePath(path: LinkPath | undefined, nameOf: NameOf): PathStatus | null {
  if (path === undefined) return null;
  const { type, local, remote, via, over } = path;
  return {
    type,
    local: local === undefined ? 'any' : formatSocketAddress(local),
    remote: formatSocketAddress(remote),
    ...(via !== undefined && { via: { hit: hitToAddress(via), name: nameOf(via) } }),
    ...(over !== undefined && { over }),
  };
}

/**
 * All paths of one link, the one in use first.
 * @param interfaces by address
 */
export function describePaths(
  reports: readonly PathReport[],
  interfaces: ReadonlyMap<string, string>,
  nameOf: NameOf,
  own: Pick<LocalAddresses, 'relayedAt'>,
): KeptPath[] {
  return reports
    .toSorted((a, b) => Number(b.active) - Number(a.active))
    .map(({ local, remote, state, active, rttMs, loss }) => {
      const via = local !== null && isHitAddress(local.address) ? addressToHit(local.address) : undefined;
      const uplink = local === null ? undefined : interfaces.get(local.address);
      const isStream = isStreamAddress(remote.address);
      const isTurn = local !== null && isAllocationAddress(local.address);
      const from = isTurn ? own.relayedAt(local.address) : local;
      return {
        local: from == null || isStream ? 'any' : formatSocketAddress(from),
        remote: formatSocketAddress(isStream ? fromStreamAddress(remote) : remote),
        ...(isStream && { over: 'tls' as const }),
        ...(isTurn && { over: 'turn' as const }),
        ...(via !== undefined && { via: { hit: hitToAddress(via), name: nameOf(via) } }),
        uplink: via === undefined ? (uplink ?? null) : null,
        state,
        active,
        rttMs,
        loss,
      };
    });
}

/** Why a path is the one it is, for a person. */
export function whyPath({ type, via, over }: LinkPath, nameOf: NameOf, mapping: MappingBehavior): string {
  if (over === 'tls')
    return 'by TLS over TCP: nothing answered by UDP, which a firewall may block; a network that lets UDP out would make it direct';
  switch (type) {
    case 'host':
      return 'an address of its own answered: no NAT between';
    case 'srflx':
      return 'direct through the NATs: the addresses that other members saw answered';
    case 'prflx':
      return 'direct through the NATs: an address that only the check itself revealed';
    case 'relay':
      return `relayed${byWhom(via, over, nameOf)}: no direct path answered; ${directBy(mapping)}`;
  }
}

function byWhom(via: Hit | undefined, over: LinkPath['over'], nameOf: NameOf): string {
  if (via !== undefined) return ` by ${nameOf(via) ?? hitToAddress(via)}`;
  return over === 'turn' ? ' by a TURN server' : " by the other end's TURN server";
}

/** What would make a relayed path a direct one, as far as this end can tell. */
function directBy(mapping: MappingBehavior): string {
  const remedy = 'a UDP port forwarded to either host, or IPv6 at both, would make one';
  if (dependsOnDestination(mapping))
    return `the NAT of this host gives each peer another port, and that of the other seems to let in no strangers: ${remedy}`;
  if (mapping === 'endpoint-independent' || mapping === 'none')
    return `this host can be called, so that the other's network keeps it out (a NAT with a port for each peer, or a firewall): ${remedy}`;
  return remedy;
}
