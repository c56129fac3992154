import { canonicalAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';

/** For any address of the host. */
const ANY = ['0.0.0.0', '::'];

/**
 * Where streams are to be accepted and nobody can come now: an address that comes later, or is written wrong.
 * @param addresses what the host's interfaces have.
 */
export function absentStreams(
  listen: readonly SocketAddress[],
  addresses: readonly string[],
): readonly SocketAddress[] {
  const here = new Set([...ANY, ...addresses].map(canonicalAddress));
  return listen.filter(({ address }) => !here.has(canonicalAddress(address)));
}
