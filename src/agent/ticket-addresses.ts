import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { MAX_TICKET_ADDRESSES } from '../identity/ticket.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';

export interface KnownAddresses {
  /** What the configuration says: `advertise`. */
  readonly advertised: readonly SocketAddress[];
  /** Where members or STUN servers see us; of no use when the NAT gives each of them another one. */
  readonly reflexive: readonly SocketAddress[];
  /** What the router forwards to us (UPnP, NAT-PMP, PCP). */
  readonly mapped: readonly SocketAddress[];
  /** On our own interfaces. */
  readonly own: readonly SocketAddress[];
}

/**
 * Where a newcomer is to try, best first: what was configured; then what everyone can reach, as others see it before as we see
 * it ourselves; then what only neighbours reach. At most as many as a ticket holds: of the private ones at least one stays.
 */
export function ticketAddresses({ advertised, reflexive, mapped, own }: KnownAddresses): SocketAddress[] {
  const others = [...mapped, ...reflexive, ...own];
  const reachable = others.filter(({ address }) => isGloballyReachable(address));
  const near = [...own, ...reflexive, ...mapped].filter(({ address }) => !isGloballyReachable(address));
  const far = unique([...advertised, ...reachable]).slice(0, near.length > 0 ? MAX_TICKET_ADDRESSES - 1 : undefined);
  return unique([...far, ...near]).slice(0, MAX_TICKET_ADDRESSES);
}

function unique(addresses: readonly SocketAddress[]): SocketAddress[] {
  return [...new Map(addresses.map((address) => [formatSocketAddress(address), address])).values()];
}
