import type { CapturedPacket } from './captured-packet.ts';
import { PCAP_MICROSECONDS, PCAP_NANOSECONDS, readPcap } from './pcap.ts';
import { PCAPNG_SECTION, readPcapng } from './pcapng.ts';
import { readUdpDatagram } from './udp-datagram.ts';
import type { UdpDatagram } from './udp-datagram.ts';

/** A UDP datagram of a capture file. */
export interface CapturedDatagram extends UdpDatagram, Pick<CapturedPacket, 'time' | 'cutOff'> {
  /** Number of the packet in the file, from 1. */
  readonly packet: number;
}

/** Tells a capture file (pcap or pcapng) from text. */
export function isCaptureFile(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return [view.getUint32(0), view.getUint32(0, true)].some((magic) =>
    [PCAP_MICROSECONDS, PCAP_NANOSECONDS, PCAPNG_SECTION].includes(magic),
  );
}

/**
 * The UDP datagrams of a capture file; everything else in it is passed over.
 * @throws {MalformedMessageError} with offsets from the start of the file.
 */
export function* readCapture(bytes: Uint8Array): Generator<CapturedDatagram> {
  const pcapng = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0) === PCAPNG_SECTION;
  let packet = 0;
  for (const { time, cutOff, linkType, bytes: content } of pcapng ? readPcapng(bytes) : readPcap(bytes)) {
    packet++;
    const datagram = readUdpDatagram(content, linkType);
    if (datagram !== undefined) yield { packet, time, cutOff, ...datagram };
  }
}
