#include "tunnel/icmp_error.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "net/checksum.h"
#include "net/packet.h"

namespace idloc {

namespace {

constexpr size_t kIcmpHeaderBytes = 8;
constexpr size_t kIpv4QuoteBytes = 128;
constexpr uint8_t kHopLimit = 64;

// The first word of an ICMP header but its checksum, and the second one.
struct Kind {
  uint8_t type;
  uint8_t code;
  uint32_t rest;
};

size_t MakeV6(const PacketView& view, const uint8_t* packet, const Kind& kind, uint8_t* out) {
  // RFC 4443 s2.4 (e.1): never answer an error message.
  if (view.protocol == kProtocolIcmpV6 && (view.length <= kIpv6HeaderBytes || packet[kIpv6HeaderBytes] < 128))
    return 0;
  size_t quote = std::min(view.length, kMaxIcmpErrorBytes - kIpv6HeaderBytes - kIcmpHeaderBytes);
  size_t icmp_bytes = kIcmpHeaderBytes + quote;
  std::memset(out, 0, kIpv6HeaderBytes + kIcmpHeaderBytes);
  out[0] = 0x60;
  StoreBe16(out + 4, static_cast<uint16_t>(icmp_bytes));
  out[6] = kProtocolIcmpV6;
  out[7] = kHopLimit;
  std::memcpy(out + 8, packet + 24, 16);
  std::memcpy(out + 24, packet + 8, 16);
  uint8_t* icmp = out + kIpv6HeaderBytes;
  icmp[0] = kind.type;
  icmp[1] = kind.code;
  StoreBe32(icmp + 4, kind.rest);
  std::memcpy(icmp + kIcmpHeaderBytes, packet, quote);
  uint64_t sum = PseudoHeaderSum(out + 8, 32, kProtocolIcmpV6, static_cast<uint32_t>(icmp_bytes));
  StoreSum(icmp + 2, static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(sum, icmp, icmp_bytes))));
  return kIpv6HeaderBytes + icmp_bytes;
}

size_t MakeV4(const PacketView& view, const uint8_t* packet, const Kind& kind, uint8_t* out) {
  // RFC 1122 s3.2.2: never about an ICMP error or a fragment other than the first. Echo requests (8) are
  // answered.
  if ((LoadBe16(packet + 6) & 0x1fff) != 0) return 0;
  if (view.protocol == kProtocolIcmp &&
      (view.length <= view.transport_offset || packet[view.transport_offset] != 8))
    return 0;
  size_t quote = std::min(view.length, kIpv4QuoteBytes);
  size_t icmp_bytes = kIcmpHeaderBytes + quote;
  std::memset(out, 0, kIpv4HeaderBytes + kIcmpHeaderBytes);
  out[0] = 0x45;
  StoreBe16(out + 2, static_cast<uint16_t>(kIpv4HeaderBytes + icmp_bytes));
  out[8] = kHopLimit;
  out[9] = kProtocolIcmp;
  std::memcpy(out + 12, packet + 16, 4);
  std::memcpy(out + 16, packet + 12, 4);
  StoreSum(out + 10, static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(0, out, kIpv4HeaderBytes))));
  uint8_t* icmp = out + kIpv4HeaderBytes;
  icmp[0] = kind.type;
  icmp[1] = kind.code;
  StoreBe32(icmp + 4, kind.rest);
  std::memcpy(icmp + kIcmpHeaderBytes, packet, quote);
  StoreSum(icmp + 2, static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(0, icmp, icmp_bytes))));
  return kIpv4HeaderBytes + icmp_bytes;
}

size_t Make(const uint8_t* packet, size_t length, const Kind& v6, const Kind& v4, uint8_t* out) {
  PacketView view;
  // A super-packet's length field may say more than fits: quote what is there.
  if (!ParsePacket(packet, length, &view)) return 0;
  return view.v6 ? MakeV6(view, packet, v6, out) : MakeV4(view, packet, v4, out);
}

}  // namespace

size_t MakeUnreachable(const uint8_t* packet, size_t length, uint8_t* out) {
  return Make(packet, length, {1, 3, 0}, {3, 1, 0}, out);
}

size_t MakeTooBig(const uint8_t* packet, size_t length, size_t mtu, uint8_t* out) {
  auto value = static_cast<uint32_t>(mtu);
  return Make(packet, length, {2, 0, value}, {3, 4, value}, out);
}

}  // namespace idloc
