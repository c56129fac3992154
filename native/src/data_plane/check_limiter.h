#pragma once
// How many STUN datagrams reach JavaScript from remotes that are bound to a link. Their source can be forged
// as any other, by whoever knows between which addresses a link is.
#include <cstdint>

#include "base/clock.h"
#include "link/link_table.h"

namespace idloc {

class CheckLimiter {
 public:
  // In a second. Of one remote: several times all that two hosts have for each other while they look for
  // paths, a check every 20 ms (src/ice/constants.ts), the answers, and what is repeated.
  static constexpr uint32_t kPerRemote = 400;
  // Of all remotes: what JavaScript answers while it has other things to do.
  static constexpr uint32_t kPerSecond = 4000;
  // Of the remote of a link's path these do not count among all: consent (RFC 7675) is asked for every 5 s,
  // and no flood in the names of other links ends this one.
  static constexpr uint32_t kAssured = 4;

  // `in_use`: it is the remote of its link's path. False: too many of this remote, or of all, in this second.
  bool Take(LinkTable::Binding* bound, bool in_use, Nanoseconds now) {
    if (now - since_ >= kSecond) {
      since_ = now;
      total_ = 0;
      turn_++;
    }
    if (bound->check_turn != turn_) {
      bound->check_turn = turn_;
      bound->checks = 0;
    }
    if (bound->checks >= kPerRemote) return false;
    bool assured = in_use && bound->checks < kAssured;
    if (!assured && total_ >= kPerSecond) return false;
    bound->checks++;
    if (!assured) total_++;
    return true;
  }

 private:
  Nanoseconds since_ = 0;
  uint32_t total_ = 0;
  uint32_t turn_ = 1;  // which second it is
};

}  // namespace idloc
