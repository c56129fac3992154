import { concatBytes, fromHex } from '../../../src/base/bytes.ts';

const IPV4_HEADER = fromHex('45000000' + '00000000' + '40110000' + '0a000001' + '0a000002');
const IPV6_HEADER = fromHex(
  '60000000' + '00001140' + '20010db8000000000000000000000001' + '20010db8000000000000000000000002',
);

/** A UDP datagram of port 6084 over IPv6, or IPv4, without a checksum. */
export function udp(payload: Uint8Array, version: 4 | 6, port = 6084): Uint8Array {
  const header = new DataView(new ArrayBuffer(8));
  header.setUint16(0, port);
  header.setUint16(2, port);
  header.setUint16(4, payload.length + 8);
  const datagram = concatBytes(new Uint8Array(header.buffer), payload);
  const ip = version === 4 ? IPV4_HEADER.slice() : IPV6_HEADER.slice();
  const length = version === 4 ? ip.length + datagram.length : datagram.length;
  new DataView(ip.buffer).setUint16(version === 4 ? 2 : 4, length);
  return concatBytes(ip, datagram);
}

/** A classic pcap file; every packet is `cut` bytes shorter than it was. */
export function pcap(linkType: number, little: boolean, packets: readonly Uint8Array[], cut = 0): Uint8Array {
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b2c3d4, little);
  header.setUint16(4, 2, little);
  header.setUint16(6, 4, little);
  header.setUint32(16, 65_535, little);
  header.setUint32(20, linkType, little);
  const records = packets.map((packet, i) => {
    const record = new DataView(new ArrayBuffer(16));
    record.setUint32(0, 1700000000 + i, little);
    record.setUint32(4, 500_000, little);
    record.setUint32(8, packet.length - cut, little);
    record.setUint32(12, packet.length, little);
    return concatBytes(new Uint8Array(record.buffer), packet.subarray(0, packet.length - cut));
  });
  return concatBytes(new Uint8Array(header.buffer), ...records);
}
