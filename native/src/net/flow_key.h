#pragma once
// A UDP flow of this host; our own address is one of two.
#include <cstdint>

#include "base/bytes.h"
#include "net/packet.h"

namespace idloc {

struct FlowKey {
  uint32_t destination = 0;  // last four bytes of the address: HITs are hashes
  uint32_t ports = 0;        // source, destination

  bool operator==(const FlowKey&) const = default;
};

// `view` is a plain UDP packet with a whole UDP header.
inline FlowKey FlowOf(const uint8_t* packet, const PacketView& view) {
  return {LoadBe32(&view.destination.bytes[12]), LoadBe32(packet + view.transport_offset)};
}

}  // namespace idloc
