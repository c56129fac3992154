#include "net/ecn.h"

#include "support/data_plane_tester.h"
#include "support/packets.h"
#include "tun/vnet_header.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

// RFC 6040 s4.2, figure 4, line by line: Not-ECT, ECT(0), ECT(1), CE inside; the same outside. -1: dropped.
constexpr uint8_t kOrder[] = {0, 2, 1, 3};
constexpr int kFigure[4][4] = {{0, 0, 0, -1}, {2, 2, 1, 3}, {1, 1, 1, 3}, {3, 3, 3, 3}};

}  // namespace

TEST("what the network marked outside comes inside as RFC 6040 says, and nothing else changes") {
  for (size_t i = 0; i < 4; i++) {
    for (size_t o = 0; o < 4; o++) {
      for (int dscp = 0; dscp < 256; dscp += 4) {
        for (bool v6 : {false, true}) {
          FlowSpec flow;
          flow.v6 = v6;
          flow.id = static_cast<uint16_t>(dscp * 257);
          flow.traffic_class = static_cast<uint8_t>(dscp | kOrder[i]);
          Bytes packet = MakePacket(flow, {1, 2, 3});
          Bytes before = packet;
          // Only the field counts of what is said about the datagram.
          bool passes = ApplyOuterEcn(packet.data(), static_cast<uint8_t>(0xfc | kOrder[o]));
          CHECK(passes == (kFigure[i][o] >= 0));
          if (!passes) {
            CHECK(packet == before);
            continue;
          }
          flow.traffic_class = static_cast<uint8_t>(dscp | kFigure[i][o]);
          CHECK(packet == MakePacket(flow, {1, 2, 3}));
          CHECK(IsIntact(packet));
        }
      }
    }
  }
}

TEST("a mark on the first packets is there when the peer is known, and goes to no other packet") {
  constexpr uint8_t kEct0 = 2;
  constexpr uint8_t kCe = 3;
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  Linked link = Connect(a, b);
  a.Run(Authorize{link.a, b.hit(), b.ipv4()});
  FlowSpec flow;
  flow.udp = true;
  flow.traffic_class = kEct0;
  for (uint8_t marked : {kEct0, kCe, kEct0}) {
    a.ReadTun(MakeSuperPacket(flow, {1, 2, 3}, 0));
    // Before the first one leaves a probe of the path, which is more urgent.
    CHECK(!udp_sent.empty());
    b.ReceiveDatagram(udp_sent.back().data, a.endpoint(), marked);
    udp_sent.clear();
  }
  CHECK(tun_written.empty() && b.count(Counter::earlyHeld) == 3);
  b.Run(Authorize{link.b, a.hit(), a.ipv4()});
  CHECK(tun_written.size() == 3);
  for (size_t i = 0; i < 3; i++) {
    flow.traffic_class = i == 1 ? kCe : kEct0;
    Bytes written(tun_written[i].begin() + kVnetHeaderBytes, tun_written[i].end());
    CHECK(written == MakePacket(flow, {1, 2, 3}));
  }
}

}  // namespace idloc::test
