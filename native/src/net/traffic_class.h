#pragma once
// Which packets are urgent by their mark (RFC 2474, RFC 4594).
#include <cstdint>

#include "base/bytes.h"

namespace idloc {

// The traffic class byte (DSCP and ECN) of CS5; VOICE-ADMIT, EF, CS6 and CS7 are above it.
inline constexpr int kFirstUrgentClass = 40 << 2;

// `packet` is a whole IPv4 or IPv6 header.
inline uint8_t TrafficClass(const uint8_t* packet) {
  return packet[0] >> 4 == 6 ? static_cast<uint8_t>(LoadBe16(packet) >> 4) : packet[1];
}
inline bool IsMarkedUrgent(const uint8_t* packet) { return TrafficClass(packet) >= kFirstUrgentClass; }

}  // namespace idloc
