#pragma once
// The Internet checksum (RFC 1071). Sums are kept in host byte order over 64 bits and folded at the end.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace idloc {

// Adds `length` bytes to `sum`. Only the last piece of a packet may have odd length.
uint64_t ChecksumAdd(uint64_t sum, const uint8_t* data, size_t length);

inline uint16_t ChecksumFold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// Network-order value, as it stands in a header.
inline void StoreSum(uint8_t* p, uint16_t sum) { std::memcpy(p, &sum, sizeof sum); }

// Pseudo-header of TCP, UDP or ICMPv6: `addresses` are both addresses one after the other, as headers hold
// them.
inline uint64_t PseudoHeaderSum(const uint8_t* addresses, size_t address_bytes, uint8_t protocol,
                                uint32_t length) {
  uint64_t sum = ChecksumAdd(0, addresses, address_bytes);
  sum += __builtin_bswap32(length);
  sum += __builtin_bswap32(protocol);
  return sum;
}

}  // namespace idloc
