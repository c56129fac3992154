import { malformed } from '../wire.ts';
import type { CapturedPacket } from './captured-packet.ts';
import { knowsLinkType } from './udp-datagram.ts';

export const PCAPNG_SECTION = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const OPTION_END = 0;
const OPTION_TIME_RESOLUTION = 9;
const BLOCK_BYTES = 12;
const ENHANCED_PACKET_BYTES = 28;

interface CaptureInterface {
  readonly linkType: number;
  readonly unitsPerSecond: number;
}

/**
 * The packets of a pcapng file (draft-ietf-opsawg-pcapng), from its Enhanced Packet Blocks; other blocks are passed over.
 * @throws {MalformedMessageError} with offsets from the start of the file.
 */
export function* readPcapng(bytes: Uint8Array): Generator<CapturedPacket> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let little = false;
  let interfaces: CaptureInterface[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at;
    if (bytes.length - at < BLOCK_BYTES) malformed(at, 'a block is cut off');
    const section = view.getUint32(at) === PCAPNG_SECTION;
    if (section) {
      little = view.getUint32(at + 8) !== BYTE_ORDER_MAGIC;
      if (view.getUint32(at + 8, little) !== BYTE_ORDER_MAGIC) malformed(at + 8, 'no byte order');
      interfaces = [];
    }
    const type = view.getUint32(at, little);
    const length = view.getUint32(at + 4, little);
    if (length < BLOCK_BYTES || length % 4 !== 0 || length > bytes.length - at)
      malformed(at + 4, `a block of ${length} bytes is cut off`);
    at += length;
    const block = new DataView(bytes.buffer, bytes.byteOffset + start, length);
    if (type === INTERFACE_DESCRIPTION) interfaces.push(readInterface(block, start, little));
    if (type === ENHANCED_PACKET) yield readPacket(block, bytes.subarray(start, at), start, little, interfaces);
  }
}

function readInterface(block: DataView, start: number, little: boolean): CaptureInterface {
  if (block.byteLength < 20) malformed(start, 'a block that describes an interface is too short');
  const linkType = block.getUint16(8, little);
  if (!knowsLinkType(linkType)) malformed(start + 8, `link type ${linkType} is not read here`);
  let unitsPerSecond = 1e6;
  const end = block.byteLength - 4;
  for (let at = 16; at + 4 <= end;) {
    const code = block.getUint16(at, little);
    const length = block.getUint16(at + 2, little);
    if (code === OPTION_END) break;
    if (code === OPTION_TIME_RESOLUTION && length === 1 && at + 4 < end) {
      const resolution = block.getUint8(at + 4);
      unitsPerSecond = (resolution & 0x80) === 0 ? 10 ** resolution : 2 ** (resolution & 0x7f);
    }
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return { linkType, unitsPerSecond };
}

function readPacket(
  block: DataView,
  bytes: Uint8Array,
  start: number,
  little: boolean,
  interfaces: readonly CaptureInterface[],
): CapturedPacket {
  if (bytes.length < ENHANCED_PACKET_BYTES + 4) malformed(start, 'a block of a packet is too short');
  const source = interfaces[block.getUint32(8, little)];
  if (source === undefined) malformed(start + 8, 'a packet of an interface that is not described');
  const units = block.getUint32(12, little) * 2 ** 32 + block.getUint32(16, little);
  const captured = block.getUint32(20, little);
  const original = block.getUint32(24, little);
  if (captured > bytes.length - ENHANCED_PACKET_BYTES - 4)
    malformed(start + 20, `a packet of ${captured} bytes is cut off`);
  return {
    time: units / source.unitsPerSecond,
    linkType: source.linkType,
    bytes: bytes.subarray(ENHANCED_PACKET_BYTES, ENHANCED_PACKET_BYTES + captured),
    cutOff: captured < original,
  };
}
