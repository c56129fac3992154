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

}  // namespace idloc
