import { ByteReader, ByteWriter } from '../../../src/base/bytes.ts';

/** Packets of SCTP (RFC 9260 s3), as much as a data channel needs. */

export const CHUNK = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  cookieEcho: 10,
  cookieAck: 11,
} as const;

export interface SctpChunk {
  readonly type: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

export interface SctpPacket {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly verificationTag: number;
  readonly chunks: readonly SctpChunk[];
}

const CHECKSUM_OFFSET = 8;
const CASTAGNOLI_REFLECTED = 0x82f63b78;

/** RFC 9260 appendix A. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CASTAGNOLI_REFLECTED : 0);
  }
  return ~crc >>> 0;
}

export function encodeSctp(packet: SctpPacket): Uint8Array {
  const writer = new ByteWriter();
  writer.u16(packet.sourcePort);
  writer.u16(packet.destinationPort);
  writer.u32(packet.verificationTag);
  writer.u32(0);
  for (const { type, flags, value } of packet.chunks) {
    writer.u8(type);
    writer.u8(flags);
    writer.u16(4 + value.length);
    writer.bytes(value);
    writer.bytes(new Uint8Array(-value.length & 3));
  }
  const bytes = Buffer.from(writer.finish());
  bytes.writeUInt32LE(crc32c(bytes), CHECKSUM_OFFSET);
  return Uint8Array.from(bytes);
}

/** @throws {Error} when the checksum is wrong. */
export function decodeSctp(bytes: Uint8Array): SctpPacket {
  const zeroed = Buffer.from(bytes);
  const checksum = zeroed.readUInt32LE(CHECKSUM_OFFSET);
  zeroed.writeUInt32LE(0, CHECKSUM_OFFSET);
  if (crc32c(zeroed) !== checksum) throw new Error('the checksum of an SCTP packet is wrong');
  const reader = new ByteReader(bytes);
  const [sourcePort, destinationPort, verificationTag] = [reader.u16(), reader.u16(), reader.u32()];
  reader.u32();
  const chunks: SctpChunk[] = [];
  while (reader.remaining > 0) {
    const [type, flags, length] = [reader.u8(), reader.u8(), reader.u16()];
    chunks.push({ type, flags, value: reader.bytes(length - 4) });
    reader.bytes(Math.min(-length & 3, reader.remaining));
  }
  return { sourcePort, destinationPort, verificationTag, chunks };
}
