#pragma once
// How many STUN messages of strangers reach JavaScript. Those from remotes of a link are not counted here.
#include <array>
#include <cstdint>

#include "base/clock.h"
#include "net/address.h"

namespace idloc {

class StunLimiter {
 public:
  // Of one address: ICE checks of many hosts behind one NAT.
  static constexpr uint32_t kPerAddress = 500;
  // Of all: what JavaScript answers in a fraction of its time.
  static constexpr uint32_t kPerSecond = 2000;

  // False: too many of this address, or of all, in this second.
  bool Take(const IpAddress& address, Nanoseconds now) {
    if (now - since_ >= kSecond) {
      since_ = now;
      total_ = 0;
      counts_.fill(0);
    }
    // Addresses that share a place share its bound; which do is not for a stranger to know (AddressHash is
    // seeded).
    uint16_t& count = counts_[AddressHash{}(address) % counts_.size()];
    if (count >= kPerAddress || total_ >= kPerSecond) return false;
    count++;
    total_++;
    return true;
  }

 private:
  Nanoseconds since_ = 0;
  uint32_t total_ = 0;
  std::array<uint16_t, 1024> counts_{};
};

}  // namespace idloc
