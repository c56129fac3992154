import { isAllocationAddress } from '../base/allocation-address.ts';
import { addressToHit, isHitAddress, type Hit } from '../base/node-id.ts';
import { sameSocketAddress } from '../base/socket-address.ts';
import { fromStreamAddress, isStreamAddress } from '../base/stream-address.ts';
import { pathType } from '../ice/path.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { LinkCounters } from '../native/data-plane.ts';
import type { Association, AssociationPath } from './association.ts';
import type { LinkPath, LinkSnapshot } from './link-events.ts';

/** @param own absent: a relayed address of ours is not told. */
export function describePath(
  { local, remote, ice }: AssociationPath,
  own?: Pick<LocalAddresses, 'relayedAt'>,
): LinkPath {
  if (local !== undefined && isHitAddress(local.address))
    return { type: 'relay', local, remote, via: addressToHit(local.address) };
  if (isStreamAddress(remote.address)) return { type: 'relay', remote: fromStreamAddress(remote), over: 'tls' };
  if (local !== undefined && isAllocationAddress(local.address)) {
    const relayed = own?.relayedAt(local.address);
    return { type: 'relay', ...(relayed !== undefined && { local: relayed }), remote, over: 'turn' };
  }
  // Before ICE has chosen, it is the path of the handshake: towards an address that the peer has told.
  const type = ice === undefined ? 'host' : pathType(ice);
  // The data plane has followed the peer from a relayed one.
  const isFollowed = ice !== undefined && !sameSocketAddress(ice.remote, remote);
  return { type: type === 'relay' && isFollowed ? 'prflx' : type, ...(local === undefined ? {} : { local }), remote };
}

export function describeAssociation(
  association: Association,
  hit: Hit,
  counters: LinkCounters | undefined,
  own: Pick<LocalAddresses, 'relayedAt'>,
): LinkSnapshot {
  const { peer, path, ice, repair, framing } = association;
  const rttMs = ice?.rttMs ?? framing.smoothedRttMs;
  return {
    hit,
    ...(peer?.user == null ? {} : { name: peer.user }),
    state: association.state === 'up' && repair !== undefined ? 'mending' : association.state,
    ...(path === undefined ? {} : { path: describePath(path, own) }),
    ...(rttMs === undefined ? {} : { rttMs }),
    loss: ice?.loss ?? 0,
    dataPlaneLink: association.link,
    handshakes: counters?.handshakes ?? 0,
  };
}
