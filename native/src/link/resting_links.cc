#include "link/resting_links.h"

#include <algorithm>

namespace idloc {

void RestingLinks::Put(Link* link, Nanoseconds at, Nanoseconds now) {
  // The wheel turns on: slots that are over are empty, but for those that are due and not taken out yet.
  next_tick_ = std::max(next_tick_, std::min(static_cast<uint64_t>(now / kTick), soonest_));
  // Rounded up: never early. Each slot stands for one tick of those from the next one on.
  uint64_t tick = static_cast<uint64_t>((std::min(at, now + kSpan) + kTick - 1) / kTick);
  tick = std::clamp(tick, next_tick_, next_tick_ + kSlots - 1);
  link->rest_tick = tick;
  slots_[tick % kSlots].push_back(link->id);
  soonest_ = std::min(soonest_, tick);
}

bool RestingLinks::TakeDue(Nanoseconds now, std::vector<LinkId>* out, uint64_t* tick) {
  if (NextTime() > now) return false;
  std::vector<LinkId>& slot = slots_[soonest_ % kSlots];
  out->assign(slot.begin(), slot.end());
  // What 10,000 links needed in one slot once is not kept for one.
  slot = {};
  *tick = soonest_;
  next_tick_ = soonest_ + 1;
  soonest_ = FirstFrom(next_tick_);
  return true;
}

uint64_t RestingLinks::FirstFrom(uint64_t tick) const {
  for (size_t i = 0; i < kSlots; i++) {
    if (!slots_[(tick + i) % kSlots].empty()) return tick + i;
  }
  return kNoTick;
}

}  // namespace idloc
