#pragma once
// What a datagram is, by its first byte (RFC 7983 s7).
#include <cstdint>

namespace idloc {

inline constexpr uint8_t kLastStunByte = 3;
inline constexpr uint8_t kFirstDtlsByte = 20;
inline constexpr uint8_t kLastDtlsByte = 63;
// A bencoded dictionary, as BitTorrent's DHT sends them (BEP 5): RFC 7983 leaves 80 to 127 free.
inline constexpr uint8_t kBencodeByte = 'd';

}  // namespace idloc
