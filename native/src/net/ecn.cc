#include "net/ecn.h"

#include "base/bytes.h"

namespace idloc {

bool ApplyOuterEcn(uint8_t* packet, uint8_t outer) {
  bool v6 = packet[0] >> 4 == 6;
  // The traffic class of IPv6 lies across two bytes.
  int shift = v6 ? 4 : 0;
  uint8_t inner = packet[1] >> shift & kEcnMask;
  outer &= kEcnMask;
  if (inner == kNotEct) return outer != kCe;
  bool changes = outer == kCe || (inner == kEct0 && outer == kEct1);
  if (!changes || inner == outer || inner == kCe) return true;
  packet[1] = static_cast<uint8_t>(packet[1] ^ (inner ^ outer) << shift);
  if (v6) return true;
  // RFC 1624 s3: HC' = ~(~HC + ~m + m'), where only the second byte of the word m changes.
  uint32_t sum = static_cast<uint16_t>(~LoadBe16(packet + 10));
  sum += 0xffffU - inner + outer;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  StoreBe16(packet + 10, static_cast<uint16_t>(~sum));
  return true;
}

}  // namespace idloc
