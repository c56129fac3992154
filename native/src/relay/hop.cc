#include "relay/hop.h"

#include "udp/first_byte.h"

namespace idloc {

bool MayHop(const uint8_t* datagram, size_t length) {
  if (length == 0) return false;
  uint8_t first = datagram[0];
  return first <= kLastStunByte || (first >= kFirstDtlsByte && first <= kLastDtlsByte);
}

}  // namespace idloc
