#pragma once
// Gives back what handshakes leave behind. One takes some 50 KB of OpenSSL's for a moment, and what a link
// keeps lies between: the allocator's free memory is in holes, four times as much as is in use after
// thousands of them, and it returns none of it by itself (malloc_trim(3)). Looking through it takes
// milliseconds, so a thread of its own does.
#include <atomic>
#include <cstddef>
#include <thread>

#include "base/clock.h"

namespace idloc {

class MemoryTrimmer {
 public:
  static constexpr size_t kWorthwhile = 32;
  static constexpr Nanoseconds kDelay = 2 * kSecond;
  // Once more: JavaScript lets go of its part when it has collected garbage, in the rest behind the storm.
  static constexpr Nanoseconds kAgain = 25 * kSecond;

  MemoryTrimmer() = default;
  MemoryTrimmer(const MemoryTrimmer&) = delete;
  MemoryTrimmer& operator=(const MemoryTrimmer&) = delete;
  ~MemoryTrimmer();

  // The state of a handshake was freed.
  void HandshakeFreed(Nanoseconds now) {
    if (++freed_ != kWorthwhile) return;
    at_ = now + kDelay;
    again_ = true;
  }
  // kNever when there is nothing to do.
  Nanoseconds NextTime() const { return at_; }
  // When the time has come: begins, and does not wait for the end.
  void Run(Nanoseconds now);

 private:
  size_t freed_ = 0;
  bool again_ = false;
  Nanoseconds at_ = kNever;
  std::thread thread_;
  std::atomic<bool> done_{true};
};

}  // namespace idloc
