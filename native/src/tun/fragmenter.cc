#include "tun/fragmenter.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "net/checksum.h"
#include "net/compressed_header.h"
#include "net/packet.h"

namespace idloc {

namespace {

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr size_t kFragmentHeaderBytes = 8;
constexpr size_t kUnit = 8;  // fragments start at multiples of it

constexpr uint16_t kDontFragment = 0x4000;
constexpr uint16_t kMoreFragments = 0x2000;
constexpr uint16_t kOffsetMask = 0x1fff;

// RFC 791 s3.1: options without the copied flag belong to the first fragment only.
void BlankOptions(uint8_t* options, size_t length) {
  constexpr uint8_t kEnd = 0;
  constexpr uint8_t kNoOperation = 1;
  constexpr uint8_t kCopied = 0x80;
  for (size_t at = 0; at < length && options[at] != kEnd;) {
    if (options[at] == kNoOperation) {
      at++;
      continue;
    }
    size_t size = at + 1 < length ? options[at + 1] : 0;
    // Not an option: no more of them can be told apart.
    if (size < 2 || at + size > length) size = length - at;
    if ((options[at] & kCopied) == 0) std::memset(options + at, kNoOperation, size);
    at += size;
  }
}

}  // namespace

bool Fragmenter::Init(const uint8_t* packet, size_t length, size_t limit, uint32_t identification) {
  packet_ = packet;
  v6_ = packet[0] >> 4 == 6;
  identification_ = identification;
  more_ = false;
  offset_ = 0;
  if (v6_) {
    head_bytes_ = kIpv6HeaderBytes;
    next_field_ = 6;
    next_ = packet[6];
    while (next_ == kHopByHop || next_ == kRouting) {
      if (head_bytes_ + kUnit > length) return false;
      next_field_ = head_bytes_;
      next_ = packet[head_bytes_];
      head_bytes_ += (packet[head_bytes_ + 1] + size_t{1}) * kUnit;
    }
    body_ = head_bytes_;
    if (next_ == kFragment) {
      if (body_ + kFragmentHeaderBytes > length) return false;
      const uint8_t* fragment = packet + body_;
      next_ = fragment[0];
      offset_ = LoadBe16(fragment + 2) & size_t{0xfff8};
      more_ = (fragment[3] & 1) != 0;
      identification_ = LoadBe32(fragment + 4);
      body_ += kFragmentHeaderBytes;
    }
    overhead_ = head_bytes_ - kIpv6HeaderBytes + kCompressedIpv6Bytes + kFragmentHeaderBytes;
  } else {
    head_bytes_ = body_ = (packet[0] & 0x0f) * size_t{4};
    uint16_t field = LoadBe16(packet + 6);
    offset_ = (field & kOffsetMask) * kUnit;
    more_ = (field & kMoreFragments) != 0;
    // RFC 6864 s4.1: the identification of an atomic datagram means nothing, and is often 0.
    if (IsIpv4Fragment(packet + 6) || (field & kDontFragment) == 0) identification_ = LoadBe16(packet + 4);
    overhead_ = CompressibleBytes(packet) != 0 ? kCompressedIpv4Bytes : head_bytes_;
  }
  if (body_ >= length || limit < overhead_ + kUnit) return false;
  payload_ = length - body_;
  piece_ = (limit - overhead_) / kUnit * kUnit;
  fragments_ = (payload_ + piece_ - 1) / piece_;
  return true;
}

size_t Fragmenter::FragmentLength(size_t index) const {
  return overhead_ + std::min(piece_, payload_ - index * piece_);
}

void Fragmenter::WriteFragment(size_t index, uint8_t* out) const {
  size_t at = index * piece_;
  size_t size = std::min(piece_, payload_ - at);
  bool more = more_ || index + 1 != fragments_;
  std::memcpy(out + overhead_, packet_ + body_ + at, size);
  if (v6_) {
    CompressHeader(packet_, out);
    std::memcpy(out + kCompressedIpv6Bytes, packet_ + kIpv6HeaderBytes, head_bytes_ - kIpv6HeaderBytes);
    bool first = head_bytes_ == kIpv6HeaderBytes;
    out[first ? kCompressedNextHeader : kCompressedIpv6Bytes + next_field_ - kIpv6HeaderBytes] = kFragment;
    uint8_t* fragment = out + overhead_ - kFragmentHeaderBytes;
    fragment[0] = next_;
    fragment[1] = 0;
    StoreBe16(fragment + 2, static_cast<uint16_t>((offset_ + at) | (more ? 1 : 0)));
    StoreBe32(fragment + 4, identification_);
    return;
  }
  auto identification = static_cast<uint16_t>(identification_);
  auto field = static_cast<uint16_t>((offset_ + at) / kUnit | (more ? kMoreFragments : 0));
  if (CompressibleBytes(packet_) != 0) {
    CompressHeader(packet_, out);
    StoreBe16(out + kCompressedIdentification, identification);
    StoreBe16(out + kCompressedFragment, field);
    return;
  }
  std::memcpy(out, packet_, head_bytes_);
  if (index != 0) BlankOptions(out + kIpv4HeaderBytes, head_bytes_ - kIpv4HeaderBytes);
  StoreBe16(out + 2, static_cast<uint16_t>(head_bytes_ + size));
  StoreBe16(out + 4, identification);
  StoreBe16(out + 6, field);
  StoreBe16(out + 10, 0);
  StoreSum(out + 10, static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(0, out, head_bytes_))));
}

}  // namespace idloc
