#include "relay/hop.h"

#include <algorithm>

#include "udp/first_byte.h"

namespace idloc {

bool MayHop(const uint8_t* datagram, size_t length) {
  if (length == 0) return false;
  uint8_t first = datagram[0];
  return first <= kLastStunByte || (first >= kFirstDtlsByte && first <= kLastDtlsByte);
}

bool HopQuota::Take(Nanoseconds* member_paid_until, size_t length, Nanoseconds now) {
  if (rate_ == 0) return false;
  // Its time at the whole rate: below 2^63 for any datagram.
  auto time = static_cast<Nanoseconds>((length + kDatagramBytes) * static_cast<uint64_t>(kSecond) / rate_);
  Nanoseconds of_all = std::max(paid_until_, now - kBurst) + time;
  Nanoseconds of_member =
      std::max(*member_paid_until, now - kBurst) + time * static_cast<Nanoseconds>(kMemberShare);
  if (of_all > now || of_member > now) return false;
  paid_until_ = of_all;
  *member_paid_until = of_member;
  return true;
}

}  // namespace idloc
