import { ByteReader } from '../../base/bytes.ts';
import { addressFromBytes } from '../../base/ip-address.ts';
import { formatSocketAddress } from '../../base/socket-address.ts';

/** A UDP datagram of a captured packet. */
export interface UdpDatagram {
  /** `address:port` */
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  readonly payload: Uint8Array;
}

const IP_PROTOCOL_UDP = 17;
/** IPv6 extension headers that may stand before UDP: hop-by-hop options, routing, destination options. */
const SKIPPED_EXTENSIONS: readonly number[] = [0, 43, 60];

/** Link-layer header types (LINKTYPE_) by the bytes in front of the IP header. */
const LINK_HEADER_BYTES = new Map([
  [0, 4], // NULL
  [1, 14], // ETHERNET
  [12, 0], // RAW as some systems number it
  [101, 0], // RAW
  [113, 16], // LINUX_SLL
  [228, 0], // IPV4
  [229, 0], // IPV6
  [276, 20], // LINUX_SLL2
]);

export function knowsLinkType(linkType: number): boolean {
  return LINK_HEADER_BYTES.has(linkType);
}

/** @returns undefined for a packet that is no UDP datagram in one piece. */
export function readUdpDatagram(packet: Uint8Array, linkType: number): UdpDatagram | undefined {
  const bytes = packet.subarray(LINK_HEADER_BYTES.get(linkType) ?? packet.length);
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return readIpv4(bytes);
  return version === 6 ? readIpv6(bytes) : undefined;
}

function readIpv4(bytes: Uint8Array): UdpDatagram | undefined {
  const headerBytes = ((bytes[0] ?? 0) & 0x0f) * 4;
  if (headerBytes < 20 || bytes.length < headerBytes + 8) return undefined;
  const reader = new ByteReader(bytes);
  reader.bytes(6);
  // A fragment has the More Fragments flag or an offset.
  const inOnePiece = (reader.u16() & 0x3fff) === 0;
  reader.u8();
  if (reader.u8() !== IP_PROTOCOL_UDP || !inOnePiece) return undefined;
  reader.u16();
  const source = addressFromBytes(reader.bytes(4));
  const destination = addressFromBytes(reader.bytes(4));
  return datagramOf(source, destination, bytes.subarray(headerBytes));
}

function readIpv6(bytes: Uint8Array): UdpDatagram | undefined {
  if (bytes.length < 48) return undefined;
  const source = addressFromBytes(bytes.subarray(8, 24));
  const destination = addressFromBytes(bytes.subarray(24, 40));
  let next = bytes[6];
  let at = 40;
  while (next !== undefined && SKIPPED_EXTENSIONS.includes(next)) {
    next = bytes[at];
    at += ((bytes[at + 1] ?? 0) + 1) * 8;
  }
  return next === IP_PROTOCOL_UDP ? datagramOf(source, destination, bytes.subarray(at)) : undefined;
}

function datagramOf(source: string, destination: string, udp: Uint8Array): UdpDatagram | undefined {
  if (udp.length < 8) return undefined;
  const reader = new ByteReader(udp);
  const fromPort = reader.u16();
  const toPort = reader.u16();
  // The length field also takes away the padding of short Ethernet frames.
  const length = reader.u16();
  const from = formatSocketAddress({ address: source, port: fromPort });
  const to = formatSocketAddress({ address: destination, port: toPort });
  return { from, to, fromPort, toPort, payload: udp.subarray(8, Math.max(8, length)) };
}
