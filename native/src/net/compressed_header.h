#pragma once
// Inner packets with their addresses left out (first byte 0x10-0x1f of a record, like HIP's BEET mode): the
// link implies them. Both ends always understand it; a whole packet (first byte 0x4x, 0x6x) stays valid.
//
//   IPv6: 7 bytes for 40. The payload length follows from the record's.
//    0               1               2               3
//   +-------+-------+---------------+---------------+---------------+
//   |   1   |   6   | traffic class |  next header  |   hop limit   |
//   +-------+-------+---------------+---------------+---------------+
//   |   0   |            flow label                 |
//   +-------+---------------------------------------+
//
//   IPv4 without options: 8 bytes for 20. Total length and checksum are computed anew.
//   +-------+-------+---------------+-------------------------------+
//   |   1   |   4   |      TOS      |        identification         |
//   +-------+-------+---------------+---------------+---------------+
//   | flags and fragment offset     |      TTL      |   protocol    |
//   +-------------------------------+---------------+---------------+
//
// Everything behind the header is unchanged: sums of TCP and UDP cover the addresses, and go on to fit.
#include <cstddef>
#include <cstdint>

#include "net/packet.h"

namespace idloc {

inline constexpr uint8_t kCompressed = 0x1;  // the first nibble
inline constexpr size_t kCompressedIpv4Bytes = 8;
inline constexpr size_t kCompressedIpv6Bytes = 7;
inline constexpr size_t kCompressedNextHeader = 2;
inline constexpr size_t kCompressedIdentification = 2;
inline constexpr size_t kCompressedFragment = 4;

// Of the sixteen values of that nibble's byte only these two are packets.
inline bool IsCompressed(uint8_t first) { return first == 0x14 || first == 0x16; }

// The IP version of a packet inside a link, whole or compressed.
inline uint8_t InnerVersion(uint8_t first) { return first >> 4 == kCompressed ? first & 0x0f : first >> 4; }

// How many bytes of the IP header the compressed one stands for; 0: IPv4 with options, to be sent whole.
inline size_t CompressibleBytes(const uint8_t* packet) {
  if (packet[0] >> 4 == 6) return kIpv6HeaderBytes;
  return packet[0] == 0x45 ? kIpv4HeaderBytes : 0;
}

// Writes the compressed form of a header that is compressible; its length.
size_t CompressHeader(const uint8_t* packet, uint8_t* out);

// Makes the IP header of a compressed packet of `length` bytes anew: `out` takes kIpv6HeaderBytes, `view`
// then describes the packet as a whole. The bytes from `*header_bytes` on are what follows the IP header.
// False: malformed.
bool ExpandHeader(const uint8_t* data, size_t length, const IpAddress& source, const IpAddress& destination,
                  uint8_t* out, PacketView* view, size_t* header_bytes);

}  // namespace idloc
