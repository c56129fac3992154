#pragma once
// How many datagrams of one kind reach JavaScript from strangers.
#include <array>
#include <cstdint>

#include "base/clock.h"
#include "net/address.h"

namespace idloc {

class StrangerLimiter {
 public:
  // In a second: of one address, and of all.
  StrangerLimiter(uint32_t per_address, uint32_t per_second)
      : per_address_(per_address), per_second_(per_second) {}

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
    if (count >= per_address_ || total_ >= per_second_) return false;
    count++;
    total_++;
    return true;
  }

 private:
  const uint32_t per_address_;
  const uint32_t per_second_;
  Nanoseconds since_ = 0;
  uint32_t total_ = 0;
  std::array<uint16_t, 1024> counts_{};
};

}  // namespace idloc
