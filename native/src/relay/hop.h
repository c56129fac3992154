#pragma once
// A datagram between two members that no path connects, handed on by a third whom both are linked with:
//
//   A --- link --> relay --- link --> B        each link protects a record
//         kHopTo          kHopFrom
//       +------+----------+----------+
//       | type | HIT of B | datagram |         the relay puts the HIT of A, whom it knows by the link, in its
//       +------+----------+----------+         place
//       0      1          17
//
// The datagram is STUN or DTLS between A and B: the relay sees its size and time, and that it passes. To both
// ends it is a path from the HIT of the relay to the HIT of the other end (net/address.h).
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "link/link_control.h"
#include "link/record_format.h"
#include "net/packet.h"

namespace idloc {

inline bool IsHop(const uint8_t* content, size_t length) {
  return length > 0 && (content[0] == kHopTo || content[0] == kHopFrom);
}

// By its first byte (RFC 7983): nothing but what members need for a link.
bool MayHop(const uint8_t* datagram, size_t length);

// What a datagram on a hop has less than one of the same size that leaves the host: headers of the larger
// family and the record on the link with the relay, whose members have connection IDs of this length. So it
// fits both links where both carry that size.
inline constexpr size_t kHopOverhead =
    kIpv6HeaderBytes + kUdpHeaderBytes + LayoutWith(kConnectionIdBytes).overhead + kHopHeaderBytes;

// How much is handed on: of all members together, and of one. The generic cell rate algorithm (ITU-T I.371):
// a time up to which is paid, that each datagram moves.
class HopQuota {
 public:
  // Of the whole, for one member.
  static constexpr uint64_t kMemberShare = 4;
  // After a pause as much as in this time goes at once.
  static constexpr Nanoseconds kBurst = 250 * kMillisecond;
  // What a datagram costs beside its bytes.
  static constexpr uint64_t kDatagramBytes = 128;

  // Nothing at first; 0: nothing any more.
  void SetRate(uint64_t bytes_per_second) { rate_ = bytes_per_second; }
  bool is_off() const { return rate_ == 0; }
  // `member_paid_until` is kept with the member's link, -kNever at first. False: too much.
  bool Take(Nanoseconds* member_paid_until, size_t length, Nanoseconds now);

 private:
  uint64_t rate_ = 0;
  Nanoseconds paid_until_ = -kNever;
};

}  // namespace idloc
