#pragma once
// How much the kernel may queue in a socket for us: what we read in a few milliseconds, at the rate at which
// we do read when there is always more. A longer queue is only delay; a shorter one loses bursts.
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace idloc {

class ReceiveDepth {
 public:
  static constexpr Nanoseconds kMostDelay = 2 * kMillisecond;
  static constexpr size_t kLeast = 128 * 1024;
  static constexpr size_t kMost = 2 * 1024 * 1024;
  static constexpr size_t kFirst = 512 * 1024;

  // What the kernel counts for a buffer beside its payload, about: small ones fill a queue too.
  static constexpr size_t kDatagramCost = 1024;

  // `bytes` (with kDatagramCost for each buffer) were read at `now`; `more`: the socket still held some.
  // Returns the new depth when it should change, else 0.
  size_t Read(size_t bytes, bool more, Nanoseconds now) {
    if (!more) {
      busy_since_ = kNever;
      return 0;
    }
    if (busy_since_ == kNever) {
      busy_since_ = now;
      bytes_ = 0;
      return 0;
    }
    bytes_ += bytes;
    Nanoseconds elapsed = now - busy_since_;
    if (elapsed < kInterval) return 0;
    busy_since_ = now;
    auto wanted =
        static_cast<size_t>(static_cast<double>(bytes_) * kMostDelay / static_cast<double>(elapsed));
    bytes_ = 0;
    wanted = wanted < kLeast ? kLeast : wanted > kMost ? kMost : wanted;
    // Small changes are noise.
    if (wanted < depth_ + depth_ / 4 && wanted > depth_ - depth_ / 4) return 0;
    depth_ = wanted;
    return wanted;
  }

 private:
  static constexpr Nanoseconds kInterval = 20 * kMillisecond;

  size_t depth_ = kFirst;
  Nanoseconds busy_since_ = kNever;  // since then there was always more
  size_t bytes_ = 0;                 // read since then
};

}  // namespace idloc
