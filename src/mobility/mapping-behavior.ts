import { formatSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import { isGloballyReachable } from './reachability.ts';
import type { Reflexive } from './sightings.ts';

/** The more a NAT gets in the way, the later. */
const KINDS = ['unknown', 'none', 'endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const;

/**
 * How the NAT maps, in RFC 4787's words (s4.1). `none`: servers see our own address. One server's word on another one is
 * `unknown`: it takes two to tell.
 */
export type MappingBehavior = (typeof KINDS)[number];

/**
 * From how servers on the Internet see our addresses: the worst of all. A neighbour sees us in front of the NAT, which says nothing of it.
 * @param reflexive without the words of those who stand alone.
 */
export function mappingBehavior(reflexive: readonly Reflexive[]): MappingBehavior {
  const far = reflexive.filter(({ server }) => isGloballyReachable(server.address));
  const kinds = [...Map.groupBy(far, ({ base }) => base.address).values()].map(mappingOfBase);
  return kinds.reduce((worst, kind) => (KINDS.indexOf(kind) > KINDS.indexOf(worst) ? kind : worst), 'unknown');
}

/** Each destination sees another one, so that nobody can be told of any. */
export function dependsOnDestination(mapping: MappingBehavior): boolean {
  return mapping === 'address-dependent' || mapping === 'address-and-port-dependent';
}

function mappingOfBase(words: readonly Reflexive[]): MappingBehavior {
  if (words.every(({ base, mapped }) => sameSocketAddress(base, mapped))) return 'none';
  const places = (some: readonly Reflexive[]): number =>
    new Set(some.map(({ mapped }) => formatSocketAddress(mapped))).size;
  const servers = [...Map.groupBy(words, ({ server }) => server.address).values()];
  if (places(words) === 1) return servers.length > 1 ? 'endpoint-independent' : 'unknown';
  // RFC 5780 s4.3: address-dependent when one server sees the same mapping at two of its ports.
  const twice = servers.filter((same) => new Set(same.map(({ server }) => server.port)).size > 1);
  return twice.length > 0 && twice.every((same) => places(same) === 1)
    ? 'address-dependent'
    : 'address-and-port-dependent';
}
