import { ETHERNET_MTU } from './path-mtu.ts';

/**
 * What a datagram holds beside an IPv4 packet with its addresses left out, at most: IPv6 40, UDP 8, record header 13, nonce 8,
 * tag 16, connection ID and type 9, less 12; rounded up to a multiple of 4.
 */
const TUN_OVERHEAD = 84;

/** Packets of this size pass whole on every path of `pathMtu` bytes, whatever the families inside and outside are. */
export function tunMtuFor(pathMtu: number): number {
  return pathMtu - TUN_OVERHEAD;
}

/**
 * To begin with. It only grows, when some path has proved to carry more: to destinations on narrower ones, Packet Too Big tells
 * the kernel.
 */
export const INITIAL_TUN_MTU = tunMtuFor(ETHERNET_MTU);
