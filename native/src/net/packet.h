#pragma once
// The headers of an inner packet that the data plane looks at.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "net/address.h"

namespace idloc {

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpV6 = 58;
inline constexpr size_t kIpv4HeaderBytes = 20;
inline constexpr size_t kIpv6HeaderBytes = 40;
inline constexpr size_t kTcpHeaderBytes = 20;
inline constexpr size_t kUdpHeaderBytes = 8;

struct PacketView {
  IpAddress source;
  IpAddress destination;
  size_t length;            // of the whole packet, as its header tells; never more than what was received
  size_t transport_offset;  // where the next header starts
  uint8_t protocol;         // IPv4 protocol or first IPv6 next header
  bool v6;
  bool plain;  // no options, no extension headers, no fragment: `protocol` starts at `transport_offset`
};

// Next headers that are no extension header: what they start is all there.
inline bool IsPlainIpv6(uint8_t next_header) {
  return next_header == kProtocolTcp || next_header == kProtocolUdp || next_header == kProtocolIcmpV6;
}

// `field`: flags and fragment offset (RFC 791). More fragments, or an offset.
inline bool IsIpv4Fragment(const uint8_t* field) { return (LoadBe16(field) & 0x3fff) != 0; }

// False when the bytes are not an IPv4 or IPv6 packet.
bool ParsePacket(const uint8_t* packet, size_t length, PacketView* out);

// Whether the checksums add up that the way to the peer's programs makes anew: the IPv4 header's, and, when
// it is `complete` and not the network card's business, that of a whole TCP or UDP packet. Others stay as
// they are.
bool HasRightChecksums(const uint8_t* packet, const PacketView& view, bool complete);

// Multicast, broadcast, unspecified, loopback, link-local: never carried.
bool IsUnroutable(const IpAddress& address);

}  // namespace idloc
