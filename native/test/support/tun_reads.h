#pragma once
// What a program sends, as the TUN gives it: vnet header and packet.
#include "support/packets.h"

namespace idloc::test {

// UDP, from one host to another by their numbers.
inline Bytes FromTun(uint8_t source, uint8_t destination, size_t payload) {
  FlowSpec flow;
  flow.udp = true;
  flow.source = source;
  flow.destination = destination;
  Bytes packet = MakePacket(flow, Bytes(payload, 7));
  Bytes data(10);
  data.insert(data.end(), packet.begin(), packet.end());
  return data;
}

}  // namespace idloc::test
