import { isAllocationAddress } from './allocation-address.ts';
import { addressFromBytes, addressToBytes } from './ip-address.ts';
import { isHitAddress } from './node-id.ts';
import type { SocketAddress } from './socket-address.ts';

/*
 * A stream (TLS over TCP, native/src/stream) is a way for datagrams as an address is one. What stands for it, wherever an address
 * can, is the TCP address of its other end with three bits changed: those by which IANA gives address space. Addresses in use
 * begin with 000, 001 or 111; what comes of them is reserved, and no host has it (RFC 4291 s2.4).
 *
 *   203.0.113.7 = ::ffff:203.0.113.7 <-> 6000::ffff:cb00:7107        2001:db8::1 <-> 4001:db8::1
 */
const SWAPPED_BITS = 0x60;
const IPV4_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
/** The first group begins with 010, 011 or 100, and so has four digits. */
const STREAM_ADDRESS = /^[4-9][0-9a-f]{3}:/;

/** The local end of all streams of links: which of our addresses it is, the kernel says. */
export const STREAM_LOCAL_ADDRESS = '6000::';
/** Of those to TURN servers: a member's may go to the same place. */
export const TURN_SERVER_LOCAL_ADDRESS = '6000::2';

/** @param address in canonical text. */
export function isStreamAddress(address: string): boolean {
  return STREAM_ADDRESS.test(address);
}

/**
 * @param local the local end of a stream.
 * @returns whether a client of this host as a TURN server is at the other one: it stands for our address.
 */
export function isTurnClientStream(local: string): boolean {
  return isStreamAddress(local) && local !== STREAM_LOCAL_ADDRESS && local !== TURN_SERVER_LOCAL_ADDRESS;
}

/** No host is there, and no datagram of ours goes there by itself: a HIT, or what stands for a stream or an allocation. @param address in canonical text. */
export function isIndirectAddress(address: string): boolean {
  return isHitAddress(address) || isStreamAddress(address) || isAllocationAddress(address);
}

/** @returns what stands for a stream to that TCP address. */
export function toStreamAddress({ address, port }: SocketAddress): SocketAddress {
  const bytes = addressToBytes(address);
  return { address: swapped(bytes.length === 4 ? Uint8Array.of(...IPV4_PREFIX, ...bytes) : bytes), port };
}

/** @returns the TCP address of that stream's other end. */
export function fromStreamAddress({ address, port }: SocketAddress): SocketAddress {
  return { address: swapped(addressToBytes(address)), port };
}

function swapped(bytes: Uint8Array): string {
  const out = Uint8Array.from(bytes);
  out[0] = (out[0] ?? 0) ^ SWAPPED_BITS;
  const isIpv4 = IPV4_PREFIX.every((byte, i) => out[i] === byte);
  return addressFromBytes(isIpv4 ? out.subarray(IPV4_PREFIX.length) : out);
}
