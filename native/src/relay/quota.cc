#include "relay/quota.h"

#include <algorithm>

namespace idloc {

bool RelayQuota::Take(uint64_t user, size_t length, Nanoseconds now) {
  if (rate_ == 0) return false;
  // Its time at the whole rate: below 2^63 for any datagram.
  auto time = static_cast<Nanoseconds>((length + kDatagramBytes) * static_cast<uint64_t>(kSecond) / rate_);
  Nanoseconds of_all = std::max(paid_until_, now - kBurst) + time;
  Nanoseconds* user_paid_until = PaidUntil(user, now);
  Nanoseconds of_user =
      std::max(*user_paid_until, now - kBurst) + time * static_cast<Nanoseconds>(kUserShare);
  if (of_all > now || of_user > now) return false;
  paid_until_ = of_all;
  *user_paid_until = of_user;
  return true;
}

Nanoseconds* RelayQuota::PaidUntil(uint64_t user, Nanoseconds now) {
  if (users_.size() >= sweep_at_) {
    // Whose pause was long enough is as one who was never here.
    std::erase_if(users_, [now](const auto& entry) { return entry.second <= now - kBurst; });
    sweep_at_ = std::max(kFewUsers, 2 * users_.size());
  }
  return &users_.try_emplace(user, -kNever).first->second;
}

}  // namespace idloc
