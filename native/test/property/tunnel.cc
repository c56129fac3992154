#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <set>

#include "net/packet.h"
#include "property/properties.h"
#include "support/check.h"
#include "support/data_plane_tester.h"
#include "support/packets.h"
#include "tun/vnet_header.h"

namespace idloc::test {

namespace {

struct Scene {
  DataPlaneTester a{1};
  DataPlaneTester b{2};
  Linked link;

  Scene() {
    ResetDevices();
    link = Connect(a, b);
    a.TakeEvents();
    b.TakeEvents();
    ResetDevices();
  }
};

// As in record.cc: handshakes are dear. One for each property, or what the one authorizes the other gets.
struct Kept {
  std::unique_ptr<Scene> scene;
  int uses = 0;

  Scene& Get() {
    if (scene == nullptr || ++uses == 64) {
      uses = 0;
      scene = std::make_unique<Scene>();
    }
    return *scene;
  }
};

// From host 1 to host 2 and of their making, or nearly so.
Bytes InnerPacket(Source& source) {
  FlowSpec flow = RandomFlow(source);
  if (!source.OneIn(4)) flow.source = 1;
  if (source.OneIn(8)) flow.destination = source.Byte();
  Bytes packet = MakePacket(flow, Bytes(source.Below(200), 0x5a));
  if (source.OneIn(4)) packet[source.Below(packet.size())] = source.Byte();
  if (source.OneIn(8)) packet.resize(source.Below(packet.size()));
  return packet;
}

}  // namespace

void CarriesOnlyWhatMayPass(Source& source) {
  static Kept kept;
  Scene& s = kept.Get();
  // As nothing were authorized: commands of the last run do not count.
  s.b.Advance(60 * kSecond);
  s.b.Run(SetLocalAddresses{s.b.hit(), s.b.ipv4()});
  s.b.TakeEvents();
  ResetDevices();
  bool v4_known = false;
  for (size_t step = 0; step < 48 && !(step > 0 && source.done()); step++) {
    switch (source.Byte() % 8) {
      case 0: {
        v4_known = source.OneIn(2);
        s.b.Run(Authorize{s.link.b, s.a.hit(), v4_known ? std::optional(s.a.ipv4()) : std::nullopt});
        break;
      }
      case 1: {
        uint8_t other[4] = {198, 18, 0, source.Byte()};
        s.b.Run(Refuse{source.OneIn(2) ? IpAddress::FromV4(other) : s.a.hit()});
        break;
      }
      case 2: {
        Bytes data = source.Take(kVnetHeaderBytes);
        if (!source.OneIn(4)) std::fill(data.begin(), data.end(), 0);
        Bytes packet = InnerPacket(source);
        data.insert(data.end(), packet.begin(), packet.end());
        s.b.ReadTun(data);
        break;
      }
      case 3:
        s.b.Advance(static_cast<Nanoseconds>(source.Below(4096)) * kMillisecond);
        break;
      case 4: {
        Bytes content = source.Take(source.Between(1, 200));
        s.a.Run(SendRecord{s.link.a, content});
        break;
      }
      default:
        s.a.Run(SendRecord{s.link.a, InnerPacket(source)});
        break;
    }
    Carry(s.a, s.b);
    for (const Bytes& one : std::exchange(tun_written, {})) {
      for (const Bytes& packet : NaiveSegments(one)) {
        PacketView view;
        CHECK(ParsePacket(packet.data(), packet.size(), &view) && view.length == packet.size());
        CHECK(view.destination == (view.v6 ? s.b.hit() : s.b.ipv4()));
        bool icmp = view.protocol == (view.v6 ? kProtocolIcmpV6 : kProtocolIcmp);
        // An answer of our own to a packet of a program here, or what the peer sent under its own address.
        if (icmp && packet[view.transport_offset] == (view.v6 ? 1 : 3) && IsIntact(packet)) continue;
        CHECK(view.source == (view.v6 ? s.a.hit() : s.a.ipv4()));
      }
    }
    s.b.TakeEvents();
    s.a.TakeEvents();
  }
  const Link* link = s.b.FindLink(s.link.b);
  CHECK(link != nullptr && link->connected);
}

void DeliversEachPacketOnce(Source& source) {
  static Kept kept;
  Scene& s = kept.Get();
  ResetDevices();
  s.a.Run(Authorize{s.link.a, s.b.hit(), s.b.ipv4()});
  s.b.Run(Authorize{s.link.b, s.a.hit(), s.a.ipv4()});
  s.a.Run(SetPathMtu{s.link.a, 1500});
  // A link that was idle begins with a probe of its path.
  s.a.ReadTun(MakeSuperPacket({}, {1}, 0));
  ResetDevices();
  std::set<Bytes> due;
  std::vector<Bytes> in_flight;
  size_t supers = source.Between(1, 6);
  for (size_t i = 0; i < supers; i++) {
    FlowSpec flow = RandomFlow(source);
    flow.source = 1;
    flow.source_port = static_cast<uint16_t>(1000 + i);
    flow.no_checksum = false;
    auto gso_size = static_cast<uint16_t>(source.Between(100, 1300));
    Bytes payload(source.Between(1, 20'000));
    // No two segments alike.
    for (size_t at = 0; at < payload.size(); at++)
      payload[at] = static_cast<uint8_t>((at / 4) >> (8 * (at % 4)));
    Bytes data = MakeSuperPacket(flow, payload, source.OneIn(4) && payload.size() < 1300 ? 0 : gso_size);
    for (Bytes& packet : NaiveSegments(data)) {
      // The identification is not kept over joining.
      if (packet[0] >> 4 == 4) packet[4] = packet[5] = packet[10] = packet[11] = 0;
      due.insert(std::move(packet));
    }
    s.a.ReadTun(data);
  }
  for (const SentGroup& group : std::exchange(udp_sent, {})) {
    for (Bytes& datagram : Datagrams(group)) in_flight.push_back(std::move(datagram));
  }
  size_t sent = in_flight.size();
  CHECK(sent == due.size());
  // The path: it loses, repeats and changes the order.
  bool lossy = source.OneIn(2);
  size_t lost = 0;
  std::vector<Bytes> path;
  for (Bytes& datagram : in_flight) {
    if (lossy && source.OneIn(8)) {
      lost++;
      continue;
    }
    size_t at = source.OneIn(4) ? source.Below(path.size() + 1) : path.size();
    path.insert(path.begin() + static_cast<ptrdiff_t>(at), datagram);
    if (source.OneIn(8)) path.push_back(datagram);
  }
  uint64_t replayed = s.b.count(Counter::dropReplayed);
  while (!path.empty()) {
    size_t count = std::min(path.size(), source.Between(1, 64));
    s.b.ReceiveBatch(std::vector<Bytes>(path.begin(), path.begin() + static_cast<ptrdiff_t>(count)),
                     s.a.endpoint());
    path.erase(path.begin(), path.begin() + static_cast<ptrdiff_t>(count));
  }
  replayed = s.b.count(Counter::dropReplayed) - replayed;
  size_t came = 0;
  for (const Bytes& one : std::exchange(tun_written, {})) {
    for (Bytes& packet : NaiveSegments(one)) {
      if (packet[0] >> 4 == 4) packet[4] = packet[5] = packet[10] = packet[11] = 0;
      // Each packet that was sent, once.
      CHECK(due.erase(packet) == 1);
      came++;
    }
  }
  CHECK(came == sent - lost);
}

}  // namespace idloc::test
