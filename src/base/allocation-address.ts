import { addressFromBytes, addressToBytes } from './ip-address.ts';
import type { SocketAddress } from './socket-address.ts';

/*
 * A relayed address at a TURN server (RFC 8656) is a local end for datagrams as an address of this host is one. What stands for it
 * wherever a local address can is no address of any host (RFC 4291 s2.4: a000::/3 is reserved) and holds both parts of it:
 *
 *   192.0.2.1:49152 <-> a000::c000:c000:201
 *
 * IPv4 only: that is what is asked for.
 */
const PREFIX = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const ALLOCATION_ADDRESS = /^a000:/;

/** @param address in canonical text. */
export function isAllocationAddress(address: string): boolean {
  return ALLOCATION_ADDRESS.test(address);
}

/** @returns what stands for that relayed IPv4 address. */
export function toAllocationAddress({ address, port }: SocketAddress): string {
  return addressFromBytes(Uint8Array.of(...PREFIX, port >> 8, port & 0xff, ...addressToBytes(address)));
}

/** @returns the relayed address. */
export function fromAllocationAddress(address: string): SocketAddress {
  const bytes = addressToBytes(address);
  return { address: addressFromBytes(bytes.subarray(12)), port: ((bytes[10] ?? 0) << 8) | (bytes[11] ?? 0) };
}
