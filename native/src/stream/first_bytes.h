#pragma once
// Whether a stream that was accepted brings TURN, by its first bytes: those of a STUN message (RFC 8489 s5),
//
//   0        2         4                    8
//   +--------+---------+--------------------+---
//   | 00.... | length  | 0x2112a442         | ...
//   +--------+---------+--------------------+---
//
// which neither TLS (it begins with 22) nor what members frame can be: there a length and the datagram's
// first bytes stand so, of DTLS with a version (254) in the fourth place and its second half in the fifth, of
// STUN with a length in the fifth and sixth, which would be of 8,466 bytes.
#include <array>
#include <cstddef>
#include <cstdint>

#include "udp/first_byte.h"

namespace idloc {

class FirstBytes {
 public:
  enum class Verdict : uint8_t { kMore, kTurn, kOther };

  // `asked`: otherwise it is something else from the beginning.
  explicit FirstBytes(bool asked) : verdict_(asked ? Verdict::kMore : Verdict::kOther) {}

  // Takes no more than is needed to tell, and returns how much of `data` that was.
  size_t Look(const uint8_t* data, size_t length) {
    size_t taken = 0;
    while (verdict_ == Verdict::kMore && taken < length) {
      bytes_[size_++] = data[taken++];
      if (!IsOfStun(size_ - 1)) {
        verdict_ = Verdict::kOther;
      } else if (size_ == bytes_.size()) {
        verdict_ = Verdict::kTurn;
      }
    }
    return taken;
  }
  Verdict verdict() const { return verdict_; }
  // What was taken: to be read by whoever is told by it to.
  uint8_t* data() { return bytes_.data(); }
  size_t size() const { return size_; }

 private:
  bool IsOfStun(size_t at) const {
    constexpr uint8_t kMagicCookie[] = {0x21, 0x12, 0xa4, 0x42};
    if (at == 0) return bytes_[0] <= kLastStunByte;
    // Attributes are padded.
    if (at == 3) return bytes_[3] % 4 == 0;
    return at < 4 || bytes_[at] == kMagicCookie[at - 4];
  }

  Verdict verdict_;
  uint8_t size_ = 0;
  std::array<uint8_t, 8> bytes_{};
};

}  // namespace idloc
