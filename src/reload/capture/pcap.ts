import { malformed } from '../wire.ts';
import type { CapturedPacket } from './captured-packet.ts';
import { knowsLinkType } from './udp-datagram.ts';

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
export const PCAP_MICROSECONDS = 0xa1b2c3d4;
export const PCAP_NANOSECONDS = 0xa1b23c4d;

/**
 * The packets of a classic pcap file.
 * @throws {MalformedMessageError} with offsets from the start of the file.
 */
export function* readPcap(bytes: Uint8Array): Generator<CapturedPacket> {
  if (bytes.length < FILE_HEADER_BYTES) malformed(0, 'shorter than the header of a capture');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = view.getUint8(0) !== 0xa1;
  const unitsPerSecond = view.getUint32(0, little) === PCAP_NANOSECONDS ? 1e9 : 1e6;
  const linkType = view.getUint32(20, little) & 0xffff;
  if (!knowsLinkType(linkType)) malformed(20, `link type ${linkType} is not read here`);
  for (let at = FILE_HEADER_BYTES; at < bytes.length;) {
    if (bytes.length - at < RECORD_HEADER_BYTES) malformed(at, 'the header of a packet is cut off');
    const time = view.getUint32(at, little) + view.getUint32(at + 4, little) / unitsPerSecond;
    const captured = view.getUint32(at + 8, little);
    const original = view.getUint32(at + 12, little);
    const start = at + RECORD_HEADER_BYTES;
    if (captured > bytes.length - start) malformed(at + 8, `a packet of ${captured} bytes is cut off`);
    at = start + captured;
    yield { time, linkType, bytes: bytes.subarray(start, at), cutOff: captured < original };
  }
}
