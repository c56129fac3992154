import { ETHERNET_MTU } from './path-mtu.ts';

/**
 * What a record holds beside an IPv4 packet with its addresses left out, at most: header 13, nonce 8, tag 16, connection ID and
 * type 9, less 12.
 */
const RECORD_OVERHEAD = 34;
/** With UDP 8 and IPv6 40; rounded up to a multiple of 4. */
const TUN_OVERHEAD = 84;

/** Packets of this size pass whole on every path of `pathMtu` bytes, whatever the families inside and outside are. */
export function tunMtuFor(pathMtu: number): number {
  return pathMtu - TUN_OVERHEAD;
}

/** Bytes that one `sendmsg` with UDP_SEGMENT takes, whatever the family is. */
const MAX_SENT_AT_ONCE = 65_535 - 40 - 8;
/** UDP_MAX_SEGMENTS of Linux before 6.9. */
const MAX_SEGMENTS = 64;

/** Packets of this size that leave by one system call: the kernel's super-packets of 64 KiB would take a second, small one. */
export function gsoMaxSegmentsFor(tunMtu: number): number {
  return Math.min(MAX_SEGMENTS, Math.floor(MAX_SENT_AT_ONCE / (tunMtu + RECORD_OVERHEAD)));
}

/**
 * To begin with. It only grows, when some path has proved to carry more: to destinations on narrower ones, Packet Too Big tells
 * the kernel.
 */
export const INITIAL_TUN_MTU = tunMtuFor(ETHERNET_MTU);
