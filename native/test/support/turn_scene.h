#pragma once
// Two data planes that reach each other by a TURN server only, which is this file. Each has a channel to the
// relayed address of the other.
#include <algorithm>
#include <utility>

#include "relay/turn_channels.h"
#include "support/check.h"
#include "support/data_plane_tester.h"

namespace idloc::test {

inline Bytes InChannel(uint16_t number, const Bytes& data) {
  Bytes out(kChannelHeaderBytes);
  WriteChannelHeader(out.data(), number, data.size());
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

struct TurnScene {
  static constexpr uint16_t kNumber = 0x4001;
  DataPlaneTester a{1};
  DataPlaneTester b{2};
  Endpoint server{*IpAddress::Parse("192.0.2.1"), 3478};
  Endpoint relayed_a{*IpAddress::Parse("192.0.2.1"), 50001};
  Endpoint relayed_b{*IpAddress::Parse("192.0.2.1"), 50002};
  IpAddress allocation_a = *IpAddress::Parse("a000::c351:c000:201");
  IpAddress allocation_b = *IpAddress::Parse("a000::c352:c000:201");
  size_t largest = 0;  // datagram that was sent
  size_t beside = 0;   // that did not go to the server

  TurnScene() {
    ResetDevices();
    a.Run(SetTurnChannel{{ToB(), {{}, server}, kNumber}});
    b.Run(SetTurnChannel{{ToA(), {{}, server}, kNumber}});
  }
  Path ToA() const { return {allocation_b, relayed_a}; }
  Path ToB() const { return {allocation_a, relayed_b}; }

  // As the server does, until nothing moves.
  void Carry() {
    while (!udp_sent.empty()) {
      for (const SentGroup& group : std::exchange(udp_sent, {})) {
        DataPlaneTester& to = group.from == a.endpoint().port ? b : a;
        for (const Bytes& datagram : Datagrams(group)) {
          largest = std::max(largest, datagram.size());
          if (group.path.remote == server) {
            to.ReceiveDatagram(datagram, server);
          } else {
            beside++;
          }
        }
      }
    }
  }
  Linked Link() {
    Linked out{a.OpenLink(false), b.OpenLink(true)};
    b.Run(SetPath{out.b, ToA()});
    a.Run(SetPath{out.a, ToB()});
    Carry();
    CHECK(a.FindLink(out.a)->connected && b.FindLink(out.b)->connected);
    a.Run(Authorize{out.a, b.hit(), b.ipv4()});
    b.Run(Authorize{out.b, a.hit(), a.ipv4()});
    a.TakeEvents();
    b.TakeEvents();
    ResetDevices();
    return out;
  }
};

}  // namespace idloc::test
