import { addressToBytes } from '../../../src/base/ip-address.ts';

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;

/** RFC 1071, word by word: independent of the data plane's. 0 over data that holds its own checksum. */
export function internetChecksum(...pieces: Uint8Array[]): number {
  let sum = 0;
  for (const piece of pieces)
    for (let i = 0; i < piece.length; i += 2) sum += ((piece[i] ?? 0) << 8) | (piece[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return ~sum & 0xffff;
}

export interface HeaderFields {
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly identification: number;
  /** Flags and fragment offset of IPv4. */
  readonly fragment: number;
  readonly hopLimit: number;
  readonly protocol: number;
}

/** RFC 8200 s3. */
export function ipv6Packet(
  fields: HeaderFields,
  source: Uint8Array,
  destination: Uint8Array,
  body: Uint8Array,
): Buffer {
  const head = Buffer.alloc(IPV6_HEADER_BYTES);
  head.writeUInt32BE(6 * 2 ** 28 + fields.trafficClass * 2 ** 20 + fields.flowLabel, 0);
  head.writeUInt16BE(body.length, 4);
  head.writeUInt8(fields.protocol, 6);
  head.writeUInt8(fields.hopLimit, 7);
  head.set(source, 8);
  head.set(destination, 24);
  return Buffer.concat([head, body]);
}

/** RFC 791 s3.1. @param options a multiple of four bytes */
export function ipv4Packet(
  fields: HeaderFields,
  source: Uint8Array,
  destination: Uint8Array,
  body: Uint8Array,
  options: Uint8Array = new Uint8Array(0),
): Buffer {
  const head = Buffer.alloc(IPV4_HEADER_BYTES + options.length);
  head.writeUInt8(0x40 + head.length / 4, 0);
  head.writeUInt8(fields.trafficClass, 1);
  head.writeUInt16BE(head.length + body.length, 2);
  head.writeUInt16BE(fields.identification, 4);
  head.writeUInt16BE(fields.fragment, 6);
  head.writeUInt8(fields.hopLimit, 8);
  head.writeUInt8(fields.protocol, 9);
  head.set(source, 12);
  head.set(destination, 16);
  head.set(options, IPV4_HEADER_BYTES);
  head.writeUInt16BE(internetChecksum(head), 10);
  return Buffer.concat([head, body]);
}

const NO_NEXT_HEADER = 59;

/** Hex of a small packet that is for no program. */
export function wholePacket(source: string, destination: string): string {
  const fields = {
    trafficClass: 0,
    flowLabel: 0,
    identification: 1,
    fragment: 0,
    hopLimit: 64,
    protocol: NO_NEXT_HEADER,
  };
  const make = source.includes(':') ? ipv6Packet : ipv4Packet;
  return make(fields, addressToBytes(source), addressToBytes(destination), new Uint8Array(4)).toString('hex');
}
