#pragma once
// When the next sign of life of each resting link is due. A wheel of quarter seconds: however many links
// rest, one of them costs nothing until its slot comes.
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "link/link.h"

namespace idloc {

class RestingLinks {
 public:
  static constexpr Nanoseconds kTick = kSecond / 4;
  static constexpr size_t kSlots = 128;
  // Furthest that a link can be put ahead.
  static constexpr Nanoseconds kSpan = (kSlots - 2) * kTick;

  // Due at the first tick that is not before `at`. Also moves it: of several entries the one whose tick
  // link->rest_tick is counts.
  void Put(Link* link, Nanoseconds at, Nanoseconds now);
  // Takes out the links of the next slot whose time has come; their tick. False: none is due.
  bool TakeDue(Nanoseconds now, std::vector<LinkId>* out, uint64_t* tick);
  // kNever when no link rests.
  Nanoseconds NextTime() const {
    return soonest_ == kNoTick ? kNever : static_cast<Nanoseconds>(soonest_) * kTick;
  }

 private:
  static constexpr uint64_t kNoTick = UINT64_MAX;

  uint64_t FirstFrom(uint64_t tick) const;

  std::array<std::vector<LinkId>, kSlots> slots_;
  uint64_t next_tick_ = 0;      // every earlier slot is empty
  uint64_t soonest_ = kNoTick;  // first slot with something in it
};

}  // namespace idloc
