#pragma once
// What a datagram is, by its first byte (RFC 7983 s7).
#include <cstdint>

namespace idloc {

inline constexpr uint8_t kLastStunByte = 3;
inline constexpr uint8_t kFirstDtlsByte = 20;
inline constexpr uint8_t kLastDtlsByte = 63;
// Of a channel number at a TURN server (RFC 8656 s12).
inline constexpr uint8_t kFirstChannelByte = 0x40;
inline constexpr uint8_t kLastChannelByte = 0x4f;
// A bencoded dictionary, as BitTorrent's DHT sends them (BEP 5): RFC 7983 leaves 80 to 127 free.
inline constexpr uint8_t kBencodeByte = 'd';

}  // namespace idloc
