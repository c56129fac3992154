import { createHash } from 'node:crypto';
import { addressFromBytes, addressToBytes, parseIpAddress } from './ip-address.ts';
import type { SocketAddress } from './socket-address.ts';

/*
 * A relayed address at a TURN server (RFC 8656) is a local end for datagrams as an address of this host is one. What stands for it
 * wherever a local address can is no address of any host (RFC 4291 s2.4: a000::/3 is reserved). Of IPv4 it holds both parts of it;
 * an IPv6 address and a port are longer than an address: of those it holds a digest, and the kind.
 *
 *   192.0.2.1:49152 <-> a000::c000:c000:201        [2001:db8::1]:49152 -> a001:...        [fd00::1]:49152 -> a002:...
 */
const KIND = { ipv4: 0, ipv6: 1, privateIpv6: 2 } as const;
const FIRST_BYTE = 0xa0;
const IPV4_OFFSET = 12;
const PORT_OFFSET = 10;
const DIGEST_OFFSET = 2;
const ADDRESS_BYTES = 16;
const ALLOCATION_ADDRESS = /^a00[0-2]:/;

/** @param address in canonical text. */
export function isAllocationAddress(address: string): boolean {
  return ALLOCATION_ADDRESS.test(address);
}

/** @returns what stands for that relayed address: always the same. */
export function toAllocationAddress({ address, port }: SocketAddress): string {
  const bytes = addressToBytes(address);
  const out = new Uint8Array(ADDRESS_BYTES);
  const ports = Uint8Array.of(port >> 8, port & 0xff);
  out[0] = FIRST_BYTE;
  if (bytes.length === ADDRESS_BYTES - IPV4_OFFSET) {
    out.set(ports, PORT_OFFSET);
    out.set(bytes, IPV4_OFFSET);
    return addressFromBytes(out);
  }
  out[1] = parseIpAddress(address).isPrivate() ? KIND.privateIpv6 : KIND.ipv6;
  const digest = createHash('sha256').update(bytes).update(ports).digest();
  out.set(digest.subarray(0, ADDRESS_BYTES - DIGEST_OFFSET), DIGEST_OFFSET);
  return addressFromBytes(out);
}

/** Of the relayed address: its family, and whether it means nothing outside of its network. */
export function allocationScope(address: string): { readonly isIpv6: boolean; readonly isPrivate: boolean } {
  const bytes = addressToBytes(address);
  if (bytes[1] !== KIND.ipv4) return { isIpv6: true, isPrivate: bytes[1] === KIND.privateIpv6 };
  const relayed = parseIpAddress(addressFromBytes(bytes.subarray(IPV4_OFFSET)));
  return { isIpv6: false, isPrivate: relayed.isPrivate() || relayed.isCGNAT() };
}
