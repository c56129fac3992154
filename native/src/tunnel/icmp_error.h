#pragma once
// ICMP errors that answer packets of programs on this host. They come from the address that the packet was
// for: the kernel takes no IPv4 packet that claims to come from one of its own addresses.
#include <cstddef>
#include <cstdint>

namespace idloc {

inline constexpr size_t kMaxIcmpErrorBytes = 1280;

// "Address unreachable" (RFC 4443 s3.1) or "host unreachable" (RFC 792). Writes the answer into `out`
// (kMaxIcmpErrorBytes); its length, 0 when the packet must not be answered.
size_t MakeUnreachable(const uint8_t* packet, size_t length, uint8_t* out);

// "Packet too big" (RFC 4443 s3.2) or "fragmentation needed" (RFC 1191 s4): packets of at most `mtu` bytes
// pass.
size_t MakeTooBig(const uint8_t* packet, size_t length, size_t mtu, uint8_t* out);

}  // namespace idloc
