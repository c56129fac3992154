#include "tun/segmenter.h"

#include <cstring>

#include "base/bytes.h"
#include "net/checksum.h"
#include "net/compressed_header.h"
#include "net/packet.h"

namespace idloc {

namespace {
constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpPush = 0x08;
constexpr uint8_t kTcpCwr = 0x80;
constexpr size_t kMaxPackets = 1024;
constexpr size_t kUdpChecksumOffset = 6;
// RFC 768: a sum of zero is sent as all ones, since zero means "no checksum". Only for UDP.
constexpr uint16_t kZeroSum = 0xffff;
}  // namespace

bool Segmenter::Init(const VnetHeader& header, uint8_t* packet, size_t length, Form form, size_t limit) {
  packet_ = packet;
  length_ = length;
  packets_ = 1;
  largest_ = length;
  v6_ = packet[0] >> 4 == 6;
  ip_bytes_ = v6_ ? kIpv6HeaderBytes : (packet[0] & 0x0f) * size_t{4};
  replaced_ = form == Form::kWhole ? 0 : CompressibleBytes(packet);
  compressed_ = replaced_ == 0 ? 0 : v6_ ? kCompressedIpv6Bytes : kCompressedIpv4Bytes;
  if ((header.gso_type & ~kGsoEcn) != kGsoNone) {
    if (!InitSuperPacket(header)) return false;
  } else {
    if ((header.flags & kVnetNeedsChecksum) != 0) {
      size_t start = header.checksum_start;
      size_t field = start + header.checksum_offset;
      // Not into the IP header: what was checked of it stays as it is.
      if (start < ip_bytes_ || start >= length || field + 2 > length) return false;
      // The field already holds the sum of the pseudo-header.
      auto sum = static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(0, packet + start, length - start)));
      bool udp = header.checksum_offset == kUdpChecksumOffset;
      StoreSum(packet + field, sum == 0 && udp ? kZeroSum : sum);
    }
    if (length - replaced_ + compressed_ <= limit || !IsDivisible()) return true;
    udp_ = false;
    transport_ = ip_bytes_;
    header_bytes_ = transport_ + (packet[transport_ + 12] >> 4) * size_t{4};
    payload_ = length - header_bytes_;
    segment_ = payload_;
  }
  size_t head = header_bytes_ - replaced_ + compressed_;
  if (!udp_ && head + segment_ > limit) {
    if (head >= limit) return false;
    segment_ = limit - head;
  }
  packets_ = (payload_ + segment_ - 1) / segment_;
  uint8_t protocol = udp_ ? kProtocolUdp : kProtocolTcp;
  pseudo_header_ =
      v6_ ? PseudoHeaderSum(packet + 8, 32, protocol, 0) : PseudoHeaderSum(packet + 12, 8, protocol, 0);
  return packets_ <= kMaxPackets;
}

bool Segmenter::InitSuperPacket(const VnetHeader& header) {
  uint8_t gso = header.gso_type & static_cast<uint8_t>(~kGsoEcn);
  udp_ = gso == kGsoUdp;
  if (!udp_ && gso != (v6_ ? kGsoTcpV6 : kGsoTcpV4)) return false;
  transport_ = header.checksum_start;
  segment_ = header.gso_size;
  size_t least = udp_ ? kUdpHeaderBytes : kTcpHeaderBytes;
  if (segment_ == 0 || transport_ < ip_bytes_ || transport_ + least > length_) return false;
  size_t transport_bytes = udp_ ? kUdpHeaderBytes : (packet_[transport_ + 12] >> 4) * size_t{4};
  if (transport_bytes < least) return false;
  header_bytes_ = transport_ + transport_bytes;
  if (header_bytes_ >= length_) return false;
  payload_ = length_ - header_bytes_;
  largest_ = header_bytes_ + (payload_ < segment_ ? payload_ : segment_);
  return true;
}

bool Segmenter::IsDivisible() const {
  if (packet_[v6_ ? 6 : 9] != kProtocolTcp || ip_bytes_ + kTcpHeaderBytes > length_) return false;
  if (!v6_ && IsIpv4Fragment(packet_ + 6)) return false;
  const uint8_t* tcp = packet_ + ip_bytes_;
  size_t header_bytes = (tcp[12] >> 4) * size_t{4};
  constexpr uint8_t kSynRstUrg = 0x02 | 0x04 | 0x20;
  return (tcp[13] & kSynRstUrg) == 0 && header_bytes >= kTcpHeaderBytes && ip_bytes_ + header_bytes < length_;
}

size_t Segmenter::PacketLength(size_t index) const {
  if (header_bytes_ == 0) return length_ - replaced_ + compressed_;
  size_t left = payload_ - index * segment_;
  return header_bytes_ - replaced_ + compressed_ + (left < segment_ ? left : segment_);
}

void Segmenter::WritePacket(size_t index, uint8_t* out) const {
  if (replaced_ != 0) CompressHeader(packet_, out);
  if (header_bytes_ == 0) {
    std::memcpy(out + compressed_, packet_ + replaced_, length_ - replaced_);
    return;
  }
  size_t offset = index * segment_;
  size_t size = PacketLength(index);
  size_t head = header_bytes_ - replaced_ + compressed_;
  std::memcpy(out + compressed_, packet_ + replaced_, header_bytes_ - replaced_);
  std::memcpy(out + head, packet_ + header_bytes_ + offset, size - head);

  if (v6_) {
    if (replaced_ == 0) StoreBe16(out + 4, static_cast<uint16_t>(size - kIpv6HeaderBytes));
  } else {
    auto identification = static_cast<uint16_t>(LoadBe16(packet_ + 4) + index);
    if (replaced_ != 0) {
      StoreBe16(out + 2, identification);
    } else {
      StoreBe16(out + 2, static_cast<uint16_t>(size));
      StoreBe16(out + 4, identification);
      StoreBe16(out + 10, 0);
      StoreSum(out + 10, static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(0, out, ip_bytes_))));
    }
  }

  uint8_t* transport = out + transport_ - replaced_ + compressed_;
  auto transport_length = static_cast<uint32_t>(size - static_cast<size_t>(transport - out));
  uint64_t sum = pseudo_header_ + __builtin_bswap32(transport_length);
  uint8_t* field;
  if (udp_) {
    StoreBe16(transport + 4, static_cast<uint16_t>(transport_length));
    field = transport + 6;
  } else {
    StoreBe32(transport + 4, LoadBe32(packet_ + transport_ + 4) + static_cast<uint32_t>(offset));
    // RFC 3168 s6.1.2: the sender reduced its window once, so one packet says so.
    if (index != 0) transport[13] &= static_cast<uint8_t>(~kTcpCwr);
    if (index + 1 != packets_) transport[13] &= static_cast<uint8_t>(~(kTcpFin | kTcpPush));
    field = transport + 16;
  }
  StoreBe16(field, 0);
  auto checksum = static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(sum, transport, transport_length)));
  StoreSum(field, checksum == 0 && udp_ ? kZeroSum : checksum);
}

}  // namespace idloc
