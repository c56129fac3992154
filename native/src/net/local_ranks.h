#pragma once
// How much this host prefers each of its addresses to send from: by the uplink that has it.
#include <cstdint>
#include <unordered_map>

#include "net/address.h"

namespace idloc {

class LocalRanks {
 public:
  void Clear() { ranks_.clear(); }
  // The first rank that an address gets stays.
  void Set(const IpAddress& local, uint8_t rank) { ranks_.try_emplace(local, rank); }
  // 0: the best; also of an address of no uplink, which has nothing to be compared by.
  uint8_t Of(const IpAddress& local) const {
    auto found = ranks_.find(local);
    return found == ranks_.end() ? 0 : found->second;
  }

 private:
  std::unordered_map<IpAddress, uint8_t, AddressHash> ranks_;
};

}  // namespace idloc
