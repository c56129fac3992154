#pragma once
// Datagrams in a stream (RFC 4571 s2, as ICE uses it: RFC 6544 s3):
//
//   0        2
//   +--------+-----------------+--------+---
//   | length | datagram        | length | ...
//   +--------+-----------------+--------+---
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace idloc {

inline constexpr size_t kFrameHeaderBytes = 2;
// As large as they are anywhere else: what is found out about a stream's path MTU is used for more than that.
inline constexpr size_t kMaxFrameBytes = 1'500;

class Deframer {
 public:
  // Calls `visit(uint8_t* datagram, size_t length)` for each one that is whole, of at least one byte; it is
  // borrowed until that returns. False: this is no such stream, and nothing more may be fed.
  template <typename Visit>
  bool Feed(uint8_t* data, size_t length, Visit visit) {
    size_t at = 0;
    while (at < length) {
      if (partial_.empty() && length - at >= kFrameHeaderBytes) {
        size_t size = LoadBe16(data + at);
        if (size > kMaxFrameBytes) return false;
        if (length - at >= kFrameHeaderBytes + size) {
          if (size > 0) visit(data + at + kFrameHeaderBytes, size);
          at += kFrameHeaderBytes + size;
          continue;
        }
      }
      size_t taken = std::min(Missing(), length - at);
      partial_.insert(partial_.end(), data + at, data + at + taken);
      at += taken;
      if (partial_.size() < kFrameHeaderBytes) continue;
      size_t size = LoadBe16(partial_.data());
      if (size > kMaxFrameBytes) return false;
      if (partial_.size() < kFrameHeaderBytes + size) continue;
      if (size > 0) visit(partial_.data() + kFrameHeaderBytes, size);
      partial_.clear();
    }
    return true;
  }

 private:
  size_t Missing() const {
    if (partial_.size() < kFrameHeaderBytes) return kFrameHeaderBytes - partial_.size();
    return kFrameHeaderBytes + LoadBe16(partial_.data()) - partial_.size();
  }

  std::vector<uint8_t> partial_;  // of the datagram whose rest is still to come
};

// Datagrams that wait to be sent, framed, oldest first. Bounded: what does not fit is refused.
class FrameQueue {
 public:
  bool Append(const uint8_t* datagram, size_t length, size_t most_bytes) {
    if (length == 0 || length > kMaxFrameBytes || bytes() + kFrameHeaderBytes + length > most_bytes)
      return false;
    size_t at = frames_.size();
    frames_.resize(at + kFrameHeaderBytes + length);
    StoreBe16(&frames_[at], static_cast<uint16_t>(length));
    std::copy_n(datagram, length, &frames_[at + kFrameHeaderBytes]);
    return true;
  }
  // Moves whole frames behind `out`, as long as that has no more than `most` bytes.
  void TakeInto(std::vector<uint8_t>* out, size_t most) {
    size_t end = begin_;
    while (end < frames_.size()) {
      size_t next = end + kFrameHeaderBytes + LoadBe16(&frames_[end]);
      if (out->size() + next - begin_ > most) break;
      end = next;
    }
    out->insert(out->end(), frames_.begin() + static_cast<ptrdiff_t>(begin_),
                frames_.begin() + static_cast<ptrdiff_t>(end));
    begin_ = end;
    if (begin_ == frames_.size()) {
      frames_.clear();
      begin_ = 0;
    } else if (begin_ > frames_.size() / 2) {
      frames_.erase(frames_.begin(), frames_.begin() + static_cast<ptrdiff_t>(begin_));
      begin_ = 0;
    }
  }
  size_t bytes() const { return frames_.size() - begin_; }
  bool empty() const { return bytes() == 0; }

 private:
  std::vector<uint8_t> frames_;
  size_t begin_ = 0;
};

}  // namespace idloc
