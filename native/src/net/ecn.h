#pragma once
// Explicit congestion notification over tunnels (RFC 6040): on the way in, what the network marked on the
// datagram is put onto the packet inside. The way out is normal mode (s4.1): the packet's field is copied.
#include <cstdint>

namespace idloc {

// The field of a traffic class byte (RFC 3168 s5).
inline constexpr uint8_t kEcnMask = 3;
inline constexpr uint8_t kNotEct = 0;
inline constexpr uint8_t kEct1 = 1;
inline constexpr uint8_t kEct0 = 2;
inline constexpr uint8_t kCe = 3;

// RFC 6040 s4.2, figure 4: changes the field of `packet`, a whole IPv4 or IPv6 header, and the checksum with
// it. False: drop it, its sender would not understand that the network is congested.
bool ApplyOuterEcn(uint8_t* packet, uint8_t outer);

}  // namespace idloc
