#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "base/clock.h"

namespace idloc {

// How much is handed on, by hops or as a TURN server: for all users together, and for one, however many hosts
// he has. The generic cell rate algorithm (ITU-T I.371): a time up to which is paid, that each datagram
// moves.
class RelayQuota {
 public:
  // Of the whole, for one user.
  static constexpr uint64_t kUserShare = 4;
  // After a pause as much as in this time goes at once.
  static constexpr Nanoseconds kBurst = 250 * kMillisecond;
  // What a datagram costs beside its bytes.
  static constexpr uint64_t kDatagramBytes = 128;

  // Nothing at first; 0: nothing any more.
  void SetRate(uint64_t bytes_per_second) { rate_ = bytes_per_second; }
  bool is_off() const { return rate_ == 0; }
  // False: too much.
  bool Take(uint64_t user, size_t length, Nanoseconds now);
  // Users about whom something has to be known.
  size_t size() const { return users_.size(); }

 private:
  static constexpr size_t kFewUsers = 64;

  Nanoseconds* PaidUntil(uint64_t user, Nanoseconds now);

  uint64_t rate_ = 0;
  Nanoseconds paid_until_ = -kNever;
  std::unordered_map<uint64_t, Nanoseconds> users_;
  size_t sweep_at_ = kFewUsers;
};

}  // namespace idloc
