#include "net/packet.h"

#include "net/checksum.h"

namespace idloc {

namespace {
constexpr uint16_t kRight = 0xffff;  // what all words add up to, the checksum among them

bool HasRightTransportChecksum(const uint8_t* packet, const PacketView& view) {
  const uint8_t* transport = packet + view.transport_offset;
  size_t length = view.length - view.transport_offset;
  if (view.protocol == kProtocolUdp) {
    // RFC 768: zero is none. With another length in its header it is joined with no other.
    if (length < kUdpHeaderBytes || LoadBe16(transport + 4) != length || LoadBe16(transport + 6) == 0)
      return true;
  } else if (view.protocol != kProtocolTcp || length < kTcpHeaderBytes) {
    return true;
  }
  size_t addresses = view.v6 ? 8 : 12;
  uint64_t sum =
      PseudoHeaderSum(packet + addresses, view.v6 ? 32 : 8, view.protocol, static_cast<uint32_t>(length));
  return ChecksumFold(ChecksumAdd(sum, transport, length)) == kRight;
}
}  // namespace

bool ParsePacket(const uint8_t* packet, size_t length, PacketView* out) {
  if (length < kIpv4HeaderBytes) return false;
  uint8_t version = packet[0] >> 4;
  if (version == 4) {
    size_t header = (packet[0] & 0x0f) * size_t{4};
    size_t total = LoadBe16(packet + 2);
    if (header < kIpv4HeaderBytes || total < header || total > length) return false;
    out->v6 = false;
    out->length = total;
    out->transport_offset = header;
    out->protocol = packet[9];
    out->plain = header == kIpv4HeaderBytes && !IsIpv4Fragment(packet + 6);
    out->source = IpAddress::FromV4(packet + 12);
    out->destination = IpAddress::FromV4(packet + 16);
    return true;
  }
  if (version != 6 || length < kIpv6HeaderBytes) return false;
  size_t total = kIpv6HeaderBytes + LoadBe16(packet + 4);
  if (total > length) return false;
  out->v6 = true;
  out->length = total;
  out->transport_offset = kIpv6HeaderBytes;
  out->protocol = packet[6];
  out->plain = IsPlainIpv6(out->protocol);
  out->source = IpAddress::FromV6(packet + 8);
  out->destination = IpAddress::FromV6(packet + 24);
  return true;
}

bool HasRightChecksums(const uint8_t* packet, const PacketView& view, bool complete) {
  if (!view.v6 && ChecksumFold(ChecksumAdd(0, packet, view.transport_offset)) != kRight) return false;
  return !complete || !view.plain || HasRightTransportChecksum(packet, view);
}

bool IsUnroutable(const IpAddress& address) {
  const auto& b = address.bytes;
  if (address.is_v4()) {
    return b[12] == 0 || b[12] == 127 || b[12] >= 224 || (b[12] == 169 && b[13] == 254);
  }
  if (b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)) return true;
  // ::/96 holds the unspecified and the loopback address.
  for (size_t i = 0; i < 12; i++) {
    if (b[i] != 0) return false;
  }
  return true;
}

}  // namespace idloc
