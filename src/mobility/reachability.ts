import { Address4 } from 'ip-address';
import { parseIpAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { fromStreamAddress, isIndirectAddress, isStreamAddress } from '../base/stream-address.ts';

/** RFC 1122 s3.2.1.3: this network; sources only. */
const THIS_NETWORK = new Address4('0.0.0.0/8');

/**
 * One that a host may be at, as far as its form tells: what members say of themselves is not sent to anywhere else. An address
 * of the overlay is none: what is sent there would go through the TUN.
 */
export function isHostAddress(address: string): boolean {
  const ip = parseIpAddress(address);
  if (ip.isUnspecified() || ip.isLoopback() || ip.isMulticast() || address === '255.255.255.255') return false;
  if (ip instanceof Address4) return !ip.isHostInSubnet(THIS_NETWORK);
  return !isIndirectAddress(address);
}

/** Where others' word may make us dial: as above, or a stream to the open internet, never into the networks we are in. */
export function isDialable(remote: SocketAddress): boolean {
  if (!isStreamAddress(remote.address)) return isHostAddress(remote.address);
  return isGloballyReachable(fromStreamAddress(remote).address);
}

/** Not private (RFC 1918, RFC 4193), shared (RFC 6598), link-local, loopback or of the overlay: the same host from everywhere. */
export function isGloballyReachable(address: string): boolean {
  const ip = parseIpAddress(address);
  if (ip.isUnspecified() || ip.isLoopback() || ip.isPrivate() || ip.isCGNAT() || ip.isLinkLocal()) return false;
  if (isIndirectAddress(address)) return false;
  return !ip.isHostInSubnet(THIS_NETWORK);
}

/**
 * Of IPv6 as RFC 4291 s2.4 has it, and none that may lead into an IPv4 network of this host: NAT64's are outside, 6to4's
 * (RFC 3056) inside of 2000::/3. Of IPv4 any.
 */
export function isGlobalUnicast(address: string): boolean {
  return (
    !address.includes(':') ||
    (/^[23]/.test(address) && address.split(':')[0]?.length === 4 && !address.startsWith('2002:'))
  );
}
