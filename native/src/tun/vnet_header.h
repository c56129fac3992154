#pragma once
// struct virtio_net_hdr (virtio 1.1 s5.1.6), as the TUN driver puts it in front of each packet. Own
// declaration: <linux/virtio_net.h> does not compile as C++.
#include <cstddef>
#include <cstdint>

namespace idloc {

struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length;  // a hint only, and a wrong one: ignored
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
};
static_assert(sizeof(VnetHeader) == 10);

inline constexpr size_t kVnetHeaderBytes = sizeof(VnetHeader);
inline constexpr uint8_t kVnetNeedsChecksum = 1;
inline constexpr uint8_t kGsoNone = 0;
inline constexpr uint8_t kGsoTcpV4 = 1;
inline constexpr uint8_t kGsoTcpV6 = 4;
inline constexpr uint8_t kGsoUdp = 5;  // VIRTIO_NET_HDR_GSO_UDP_L4
inline constexpr uint8_t kGsoEcn = 0x80;

}  // namespace idloc
