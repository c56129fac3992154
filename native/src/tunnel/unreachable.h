#pragma once
// "Address unreachable" (RFC 4443 s3.1) or "host unreachable" (RFC 792) as answer to a packet.
#include <cstddef>
#include <cstdint>

namespace idloc {

inline constexpr size_t kMaxUnreachableBytes = 1280;

// Writes the answer into `out` (kMaxUnreachableBytes); its length, 0 when the packet must not be answered.
size_t MakeUnreachable(const uint8_t* packet, size_t length, uint8_t* out);

}  // namespace idloc
