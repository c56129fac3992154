#include <utility>

#include "support/data_plane_tester.h"
#include "support/packets.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

constexpr size_t kHeaderChecksum = 10;

struct Pair {
  DataPlaneTester a{1};
  DataPlaneTester b{2};
  Linked link;

  Pair() : link((ResetDevices(), Connect(a, b))) {
    a.Run(Authorize{link.a, b.hit(), b.ipv4()});
    b.Run(Authorize{link.b, a.hit(), a.ipv4()});
    ResetDevices();
  }

  // What programs at b get of a packet whose checksums are complete.
  std::vector<Bytes> Send(const Bytes& packet) {
    Bytes data(10);
    data.insert(data.end(), packet.begin(), packet.end());
    return SendRaw(data);
  }
  std::vector<Bytes> SendRaw(const Bytes& data) {
    a.ReadTun(data);
    Carry(a, b);
    return Taken();
  }
  static std::vector<Bytes> Taken() {
    std::vector<Bytes> out;
    for (const Bytes& one : std::exchange(tun_written, {})) {
      for (Bytes& packet : NaiveSegments(one)) out.push_back(std::move(packet));
    }
    return out;
  }
};

Bytes Changed(Bytes packet, size_t at) {
  packet.at(at) ^= 0x10;
  return packet;
}

}  // namespace

TEST(
    "a packet with a wrong IPv4 header checksum is dropped and counted: compressed, with options, divided "
    "and "
    "in fragments") {
  Pair pair;
  FlowSpec small;
  small.v6 = false;
  FlowSpec with_options = small;
  with_options.ip_options = {1, 1, 1, 1};
  FlowSpec datagram = small;
  datagram.udp = true;
  const std::pair<FlowSpec, size_t> kAll[] = {
      {small, 100}, {with_options, 100}, {small, 1380}, {datagram, 100}, {datagram, 1380}};
  uint64_t dropped = 0;
  for (const auto& [flow, bytes] : kAll) {
    for (bool partial : {false, true}) {
      Bytes data = MakeSuperPacket(flow, Bytes(bytes, 7), 0);
      if (!partial) {
        Bytes packet = MakePacket(flow, Bytes(bytes, 7));
        data.assign(10, 0);
        data.insert(data.end(), packet.begin(), packet.end());
      }
      CHECK(!pair.SendRaw(data).empty());
      CHECK(pair.SendRaw(Changed(data, 10 + kHeaderChecksum)).empty());
      CHECK(pair.SendRaw(Changed(data, 10 + 8)).empty());
      dropped += 2;
      CHECK(pair.a.count(Counter::dropBadChecksum) == dropped);
    }
    // A super-packet's header has a checksum too.
    if (!flow.ip_options.empty()) continue;
    Bytes data = MakeSuperPacket(flow, Bytes(bytes, 7), 500);
    CHECK(!pair.SendRaw(data).empty());
    CHECK(pair.SendRaw(Changed(data, 10 + kHeaderChecksum)).empty());
    CHECK(pair.a.count(Counter::dropBadChecksum) == ++dropped);
  }
}

TEST("a packet with a wrong checksum of TCP or UDP does not come out right of division and joining") {
  Pair pair;
  uint64_t dropped = 0;
  for (bool v6 : {true, false}) {
    for (bool udp : {true, false}) {
      for (size_t bytes : {100, 1380}) {
        FlowSpec flow;
        flow.v6 = v6;
        flow.udp = udp;
        Bytes packet = MakePacket(flow, Bytes(bytes, 7));
        for (size_t at : {(v6 ? size_t{40} : size_t{20}) + (udp ? 6 : 16), packet.size() - 1}) {
          CHECK(pair.Send(Changed(packet, at)).empty());
          CHECK(pair.a.count(Counter::dropBadChecksum) == ++dropped);
        }
        CHECK(!pair.Send(packet).empty());
      }
    }
  }
}

TEST("a packet whose checksum is left out, or still to be made, passes") {
  Pair pair;
  FlowSpec flow;
  flow.v6 = false;
  flow.udp = flow.no_checksum = true;
  Bytes without = MakePacket(flow, {1, 2, 3});
  std::vector<Bytes> came = pair.Send(without);
  CHECK(came.size() == 1 && came[0] == without);
  flow.no_checksum = false;
  came = pair.SendRaw(MakeSuperPacket(flow, {1, 2, 3}, 0));
  CHECK(came.size() == 1 && came[0] == MakePacket(flow, {1, 2, 3}));
  CHECK(pair.a.count(Counter::dropBadChecksum) == 0);
}

TEST(
    "a whole packet of a peer with a wrong IPv4 header checksum is not joined with others into a right one") {
  Pair pair;
  FlowSpec flow;
  flow.v6 = false;
  Bytes first = MakePacket(flow, Bytes(100, 1));
  flow.sequence = 100;
  Bytes second = MakePacket(flow, Bytes(100, 2));
  for (bool wrong : {false, true}) {
    pair.a.Run(SendRecord{pair.link.a, first});
    pair.a.Run(SendRecord{pair.link.a, wrong ? Changed(second, kHeaderChecksum) : second});
    pair.b.ReceiveBatch(TakeSent(), pair.a.endpoint());
    CHECK(Pair::Taken().size() == (wrong ? 1 : 2));
    CHECK(pair.b.count(Counter::dropBadChecksum) == (wrong ? 1 : 0));
  }
}

}  // namespace idloc::test
