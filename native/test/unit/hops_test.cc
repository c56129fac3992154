#include <utility>

#include "support/hop_scene.h"
#include "support/packets.h"
#include "support/tun_reads.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

// A Binding request with PADDING (RFC 5780 s7.6), as its answer may not be longer.
Bytes Stun() {
  Bytes out{0, 1, 0, 40, 0x21, 0x12, 0xa4, 0x42};
  out.resize(20, 9);
  Bytes padding{0, 0x26, 0, 36};
  out.insert(out.end(), padding.begin(), padding.end());
  out.resize(60);
  return out;
}

}  // namespace

TEST(
    "two hosts without a path between them shake hands and exchange packets through a third, which sees "
    "none") {
  HopScene s;
  Linked link = s.Link();
  s.a.ReadTun(FromTun(1, 2, 100));
  s.Carry();
  CHECK(tun_written.size() == 1);
  s.b.ReadTun(FromTun(2, 1, 100));
  s.Carry();
  CHECK(tun_written.size() == 2);
  CHECK(s.relay.count(Counter::packetsIn) == 0 && s.relay.count(Counter::recordsReceived) == 0);
  CHECK(s.relay.count(Counter::hopsForwarded) == s.a.count(Counter::hopsSent) + s.b.count(Counter::hopsSent));
  CHECK(s.a.count(Counter::hopsReceived) == s.b.count(Counter::hopsSent));
  CHECK(s.a.FindLink(link.a)->stats->handshakes == 1);
}

TEST("on a hop everything fits into datagrams of 1,280 bytes: handshake, records, packets, probes") {
  HopScene s;
  Linked link = s.Link();
  Bytes record(1120, 1);
  record[0] = 0x80;
  s.a.Run(SendRecord{link.a, record});
  s.Carry();
  CHECK(CountOf(s.b.TakeEvents(), EventType::kRecord) == 1);
  s.a.ReadTun(FromTun(1, 2, 1300));
  s.Carry();
  CHECK(s.a.count(Counter::packetsFragmented) == 1 && s.b.count(Counter::packetsIn) > 1);
  s.a.Run(SendProbe{link.a, kBasePathMtu, 5});
  s.Carry();
  CHECK(s.b.count(Counter::probesAnswered) == 1);
  CHECK(s.largest == kLargestPayload);
}

TEST("a hop whose links carry more carries more, when that was found out") {
  HopScene s;
  Linked link = s.Link();
  s.a.Run(SetPathMtu{link.a, 1500});
  s.a.ReadTun(FromTun(1, 2, 1500 - kHopOverhead - LayoutWith(kConnectionIdBytes).overhead - 48));
  s.Carry();
  CHECK(s.a.count(Counter::packetsFragmented) == 0 && tun_written.size() == 1);
  CHECK(s.largest > kLargestPayload && s.largest <= 1500 - kIpv6HeaderBytes - kUdpHeaderBytes);
}

TEST("the other end learns who has sent it from the relay, whatever the sender says") {
  HopScene s;
  s.Say(kHopTo, s.b.hit(), Bytes{1, 1, 2, 3});
  std::vector<Event> events = s.b.TakeEvents();
  CHECK(events.size() == 1 && events[0].type == EventType::kStun);
  CHECK(events[0].local.address == s.relay.hit());
  CHECK((events[0].remote == Endpoint{s.a.hit(), 0}));
  CHECK((events[0].data == Bytes{1, 1, 2, 3}));
}

TEST("a Binding request that came by a hop is answered by it, and tells the HIT as the source") {
  HopScene s;
  s.a.Run(SendDatagram{s.ToB(), Stun()});
  s.Carry();
  CHECK(s.b.count(Counter::bindingsAnswered) == 1);
  std::vector<Event> events = s.a.TakeEvents();
  CHECK(events.size() == 1 && events[0].type == EventType::kStun);
  CHECK((events[0].remote == Endpoint{s.b.hit(), 0}) && events[0].local.address == s.relay.hit());
}

TEST(
    "nothing is handed on while that is off, for strangers, to nobody, to oneself, or what is no datagram of "
    "a link") {
  HopScene off(0);
  off.Say(kHopTo, off.b.hit(), Stun());
  CHECK(off.relay.count(Counter::dropHopRefused) == 1);

  HopScene s;
  s.Say(kHopTo, s.b.hit(), Bytes{'d', '1'});
  s.Say(kHopTo, s.b.hit(), Bytes{0x60});
  s.Say(kHopTo, s.b.hit(), Bytes{});
  s.a.Run(SendRecord{s.to_a.a, {kHopTo}});
  s.a.Run(SendRecord{s.to_a.a, {kHopTo, 1, 2}});
  s.Carry();
  CHECK(s.relay.count(Counter::dropHopRefused) == 5);
  s.Say(kHopTo, s.a.hit(), Stun());
  s.Say(kHopTo, IpAddress{}, Stun());
  s.Say(kHopTo, s.b.ipv4(), Stun());
  s.Say(kHopTo, *IpAddress::Parse("2001:20::99"), Stun());
  CHECK(s.relay.count(Counter::dropHopUnknown) == 4);
  CHECK(s.relay.count(Counter::hopsForwarded) == 0);

  DataPlaneTester guest{4};
  Linked link = Connect(guest, s.relay);
  guest.Run(SendRecord{link.a, Hop(kHopTo, s.b.hit(), Stun())});
  Carry(guest, s.relay);
  CHECK(s.relay.count(Counter::dropHopRefused) == 6 && s.relay.count(Counter::hopsForwarded) == 0);
}

TEST("a user has a quarter of what may be handed on, and another still has his own when that is used up") {
  constexpr uint64_t kRate = 400'000;
  HopScene s(kRate);
  s.relay.Advance(kSecond);
  Bytes datagram(900, 0);
  for (int i = 0; i < 100; i++) s.Say(kHopTo, s.b.hit(), datagram);
  uint64_t passed = s.relay.count(Counter::hopsForwarded);
  uint64_t cost = datagram.size() + RelayQuota::kDatagramBytes;
  uint64_t burst = kRate / RelayQuota::kUserShare / 4;  // of a quarter of a second
  CHECK(passed == burst / cost && s.relay.count(Counter::dropHopQuota) == 100 - passed);
  s.b.Run(SendDatagram{s.ToA(), Stun()});
  s.Carry();
  CHECK(s.a.count(Counter::hopsReceived) == 1);
  // In ten seconds, a datagram every 5 ms.
  uint64_t before = s.relay.count(Counter::hopsForwarded);
  for (int i = 0; i < 2000; i++) {
    s.relay.Advance(5 * kMillisecond);
    s.Say(kHopTo, s.b.hit(), datagram);
  }
  uint64_t bytes = (s.relay.count(Counter::hopsForwarded) - before) * cost;
  CHECK(bytes <= 10 * kRate / RelayQuota::kUserShare + cost);
  CHECK(bytes >= 10 * kRate / RelayQuota::kUserShare * 9 / 10);
}

TEST("two hosts of one user have together what one has, and a host of nobody has its own") {
  constexpr uint64_t kRate = 400'000;
  HopScene s(kRate);
  s.relay.Run(Authorize{s.to_a.b, s.a.hit(), s.a.ipv4(), 7});
  s.relay.Run(Authorize{s.to_b.b, s.b.hit(), s.b.ipv4(), 7});
  s.relay.Advance(kSecond);
  Bytes datagram(900, 0);
  for (int i = 0; i < 100; i++) s.Say(kHopTo, s.b.hit(), datagram);
  uint64_t passed = s.relay.count(Counter::hopsForwarded);
  CHECK(passed > 0 && passed < 100);
  auto answer = [&s, &datagram] {
    s.b.Run(SendRecord{s.to_b.a, Hop(kHopTo, s.a.hit(), datagram)});
    s.Carry();
  };
  answer();
  CHECK(s.a.count(Counter::hopsReceived) == 0);
  s.relay.Run(Authorize{s.to_b.b, s.b.hit(), s.b.ipv4()});
  answer();
  CHECK(s.a.count(Counter::hopsReceived) == 1);
}

TEST("of users whose pause was long enough nothing is kept") {
  RelayQuota quota;
  quota.SetRate(1'000'000'000);
  for (int user = 1; user <= 10'000; user++)
    quota.Take(static_cast<uint64_t>(user), 100, user * 100 * kMillisecond);
  CHECK(quota.size() <= 70);
}

TEST("many users together have no more than what may be handed on") {
  RelayQuota quota;
  constexpr uint64_t kRate = 1'000'000;
  quota.SetRate(kRate);
  uint64_t passed = 0;
  Nanoseconds now = 5 * kSecond;
  for (int round = 0; round < 1000; round++) {
    now += kMillisecond;
    for (uint64_t user = 0; user < 100; user++) passed += quota.Take(user, 872, now) ? 1000 : 0;
  }
  CHECK(passed <= kRate + kRate / 4 && passed >= kRate);
}

TEST("without a link to the relay nothing is sent, and with a new one the link by the hop goes on") {
  HopScene s;
  Linked link = s.Link();
  s.a.Run(CloseLink{s.to_a.a});
  s.Carry();
  s.a.Run(SendRecord{link.a, {0x80, 1}});
  CHECK(s.a.count(Counter::dropNoRelay) == 1 && udp_sent.empty());
  s.to_a = Connect(s.a, s.relay);
  s.a.Run(Authorize{s.to_a.a, s.relay.hit(), s.relay.ipv4()});
  s.relay.Run(Authorize{s.to_a.b, s.a.hit(), s.a.ipv4()});
  s.Forget();
  s.a.Run(SendRecord{link.a, {0x80, 2}});
  s.Carry();
  CHECK(CountOf(s.b.TakeEvents(), EventType::kRecord) == 1);
  CHECK(s.a.FindLink(link.a)->stats->handshakes == 1);
}

TEST("a link by a hop carries no hop, neither out nor in") {
  HopScene s;
  Linked link = s.Link();
  s.a.Run(SendDatagram{Path{s.b.hit(), {s.relay.hit(), 0}}, Stun()});
  CHECK(s.a.count(Counter::dropNoRelay) == 1);
  s.a.Run(SendRecord{link.a, Hop(kHopFrom, s.relay.hit(), Stun())});
  s.a.Run(SendRecord{link.a, Hop(kHopTo, s.relay.hit(), Stun())});
  s.Carry();
  CHECK(s.b.count(Counter::dropHopRefused) == 2 && s.b.count(Counter::hopsForwarded) == 0);
  CHECK(CountOf(s.b.TakeEvents(), EventType::kStun) == 0);
}

TEST("a relay that wraps what another link brought to somebody else ends nothing") {
  HopScene s;
  Linked link = s.Link();
  s.relay.Run(SendRecord{s.to_b.b, Hop(kHopFrom, s.a.hit(), s.relay.CloseNotify(s.to_a.b))});
  s.Carry();
  CHECK(s.b.count(Counter::dropUnknownConnection) == 1);
  CHECK(s.b.FindLink(link.b)->connected && s.b.FindLink(s.to_b.a)->connected);
}

TEST("a relay that wraps the end of the very link that brings it ends that link, and nothing else") {
  HopScene s;
  Linked link = s.Link();
  s.relay.Run(SendRecord{s.to_a.b, Hop(kHopFrom, s.b.hit(), s.relay.CloseNotify(s.to_a.b))});
  s.Carry();
  CHECK(CountOf(s.a.TakeEvents(), EventType::kClosed) == 1);
  CHECK(s.a.FindLink(s.to_a.a) == nullptr && s.a.FindLink(link.a)->connected);
}

TEST("what a relay changes or repeats does not reach the other end, and the link goes on") {
  HopScene s;
  Linked link = s.Link();
  s.a.Run(SendRecord{link.a, {0x80, 1}});
  // At the relay, before it hands it on.
  for (const SentGroup& group : std::exchange(udp_sent, {}))
    s.relay.ReceiveBatch(Datagrams(group), s.a.endpoint());
  std::vector<Bytes> to_b = TakeSent();
  CHECK(to_b.size() == 1);
  s.b.ReceiveDatagram(to_b[0], s.relay.endpoint());
  CHECK(CountOf(s.b.TakeEvents(), EventType::kRecord) == 1);
  // The outer record is the relay's to make, so it can say anything in it; the inner one is not.
  Bytes inner{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 30};
  inner.resize(13 + 30, 5);
  for (int i = 0; i < 3; i++) s.relay.Run(SendRecord{s.to_b.b, Hop(kHopFrom, s.a.hit(), inner)});
  s.Carry();
  CHECK(s.b.count(Counter::dropBadRecord) == 3);
  CHECK(CountOf(s.b.TakeEvents(), EventType::kRecord) == 0);
  s.a.Run(SendRecord{link.a, {0x80, 2}});
  s.Carry();
  CHECK(CountOf(s.b.TakeEvents(), EventType::kRecord) == 1);
}

TEST(
    "a peer that has lost its direct path goes on by the relay at once, and back, with the same "
    "association") {
  HopScene s;
  Linked link = s.LinkDirectly();
  s.a.Run(SetPath{link.a, s.ToB()});
  s.a.ReadTun(FromTun(1, 2, 100));
  s.Carry();
  CHECK(s.b.count(Counter::pathsMoved) == 1 && s.b.FindLink(link.b)->path == s.ToA());
  s.b.ReadTun(FromTun(2, 1, 100));
  s.Carry();
  CHECK(tun_written.size() == 2);
  CHECK(s.a.FindLink(link.a)->stats->handshakes == 1);
}

TEST("a packet that was marked on the way to the relay is marked when it arrives") {
  HopScene s;
  s.Link();
  FlowSpec flow;
  flow.udp = true;
  flow.source = 1;
  flow.destination = 2;
  flow.traffic_class = 2;  // ECT(0)
  Bytes packet = MakePacket(flow, Bytes(100));
  Bytes data(10);
  data.insert(data.end(), packet.begin(), packet.end());
  s.a.ReadTun(data);
  Bytes sent = TakeSent().at(0);
  s.relay.ReceiveDatagram(sent, s.a.endpoint(), 3);
  CHECK(udp_sent.size() == 1 && udp_sent[0].traffic_class == 3);
}

}  // namespace idloc::test
