#pragma once
// Three data planes, of which two have a link with the third only.
#include <algorithm>
#include <utility>

#include "link/link_control.h"
#include "net/packet.h"
#include "relay/hop.h"
#include "support/check.h"
#include "support/data_plane_tester.h"

namespace idloc::test {

inline constexpr uint64_t kPlenty = 100'000'000;
inline constexpr size_t kLargestPayload = kBasePathMtu - kIpv6HeaderBytes - kUdpHeaderBytes;

inline Bytes Hop(uint8_t type, const IpAddress& other, const Bytes& datagram) {
  Bytes record{type};
  record.insert(record.end(), other.bytes.begin(), other.bytes.end());
  record.insert(record.end(), datagram.begin(), datagram.end());
  return record;
}

// `a` and `b` are linked with `relay`, and nothing leads from one to the other.
struct HopScene {
  DataPlaneTester a{1};
  DataPlaneTester b{2};
  DataPlaneTester relay{3};
  Linked to_a;  // of which `a` is the end at `a`, `b` that at the relay
  Linked to_b;
  size_t largest = 0;  // datagram that was sent

  explicit HopScene(uint64_t rate = kPlenty)
      : to_a((ResetDevices(), Connect(a, relay))), to_b(Connect(b, relay)) {
    a.Run(Authorize{to_a.a, relay.hit(), relay.ipv4()});
    b.Run(Authorize{to_b.a, relay.hit(), relay.ipv4()});
    relay.Run(Authorize{to_a.b, a.hit(), a.ipv4()});
    relay.Run(Authorize{to_b.b, b.hit(), b.ipv4()});
    relay.Run(SetRelay{rate});
    Forget();
  }
  Path ToB() { return {relay.hit(), {b.hit(), 0}}; }
  Path ToA() { return {relay.hit(), {a.hit(), 0}}; }

  // The two ends without the relay.
  Linked LinkDirectly() {
    Linked link = Connect(a, b);
    a.Run(Authorize{link.a, b.hit(), b.ipv4()});
    b.Run(Authorize{link.b, a.hit(), a.ipv4()});
    Forget();
    return link;
  }

  void Forget() {
    for (DataPlaneTester* host : {&a, &b, &relay}) host->TakeEvents();
    ResetDevices();
  }
  // What was sent arrives, until nothing moves.
  void Carry() {
    while (!udp_sent.empty()) {
      for (const SentGroup& group : std::exchange(udp_sent, {})) {
        for (DataPlaneTester* from : {&a, &b, &relay}) {
          for (DataPlaneTester* to : {&a, &b, &relay}) {
            if (from->endpoint().port != group.from || !(to->endpoint() == group.path.remote)) continue;
            // Nothing passes between those two, whatever they try.
            if (from != &relay && to != &relay) continue;
            for (const Bytes& datagram : Datagrams(group)) largest = std::max(largest, datagram.size());
            to->ReceiveBatch(Datagrams(group), from->endpoint());
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
    Forget();
    return out;
  }
  // As `a` says it, on its link with the relay.
  void Say(uint8_t type, const IpAddress& other, const Bytes& datagram) {
    a.Run(SendRecord{to_a.a, Hop(type, other, datagram)});
    Carry();
  }
};

inline size_t CountOf(const std::vector<Event>& events, EventType type) {
  size_t count = 0;
  for (const Event& event : events) count += event.type == type ? 1 : 0;
  return count;
}

}  // namespace idloc::test
