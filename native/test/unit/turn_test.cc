#include <utility>

#include "support/packets.h"
#include "support/tun_reads.h"
#include "support/turn_scene.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

const Bytes kCheck{1, 1, 2, 3};

}  // namespace

TEST("two hosts shake hands and exchange packets by a TURN server alone") {
  TurnScene s;
  Linked link = s.Link();
  s.a.ReadTun(FromTun(1, 2, 100));
  s.Carry();
  CHECK(tun_written.size() == 1);
  s.b.ReadTun(FromTun(2, 1, 100));
  s.Carry();
  CHECK(tun_written.size() == 2);
  CHECK(s.beside == 0);
  CHECK(s.a.count(Counter::turnSent) == s.b.count(Counter::turnReceived));
  CHECK(s.b.count(Counter::turnSent) == s.a.count(Counter::turnReceived));
  CHECK(s.a.FindLink(link.a)->stats->handshakes == 1);
}

TEST("by a TURN server everything fits into datagrams of 1,280 bytes: handshake, records, packets, probes") {
  TurnScene s;
  Linked link = s.Link();
  Bytes record(1120, 1);
  record[0] = 0x80;
  s.a.Run(SendRecord{link.a, record});
  s.Carry();
  s.a.ReadTun(FromTun(1, 2, 1300));
  s.Carry();
  CHECK(s.a.count(Counter::packetsFragmented) == 1 && s.b.count(Counter::packetsIn) > 1);
  s.a.Run(SendProbe{link.a, kBasePathMtu, 5});
  s.Carry();
  CHECK(s.b.count(Counter::probesAnswered) == 1);
  CHECK(s.largest == kBasePathMtu - kIpv6HeaderBytes - kUdpHeaderBytes);
}

TEST(
    "a check that came by a channel comes up as from the peer, at the relayed address; what stands behind it "
    "is padding") {
  TurnScene s;
  Bytes padded = InChannel(TurnScene::kNumber, kCheck);
  padded.insert(padded.end(), 3, 0);
  s.a.ReceiveDatagram(padded, s.server);
  std::vector<Event> events = s.a.TakeEvents();
  CHECK(events.size() == 1 && events[0].type == EventType::kStun);
  CHECK(events[0].local.address == s.allocation_a && events[0].remote == s.relayed_b);
  CHECK(events[0].data == kCheck);
}

TEST("a datagram to a peer leaves in its channel, to the server, from the address that the server knows") {
  TurnScene s;
  s.a.Run(SendDatagram{s.ToB(), kCheck});
  CHECK(udp_sent.size() == 1 && udp_sent[0].path.remote == s.server);
  CHECK(udp_sent[0].data == InChannel(TurnScene::kNumber, kCheck));
}

TEST(
    "what comes by no channel that is bound, from elsewhere, cut short, or is no datagram of a link is "
    "dropped") {
  TurnScene s;
  Endpoint other{s.server.address, 3479};
  s.a.ReceiveDatagram(InChannel(TurnScene::kNumber + 1, kCheck), s.server);
  s.a.ReceiveDatagram(InChannel(TurnScene::kNumber, kCheck), other);
  Bytes cut = InChannel(TurnScene::kNumber, kCheck);
  cut.pop_back();
  s.a.ReceiveDatagram(cut, s.server);
  s.a.ReceiveDatagram({0x40}, s.server);
  s.a.ReceiveDatagram(InChannel(TurnScene::kNumber, {}), s.server);
  s.a.ReceiveDatagram(InChannel(TurnScene::kNumber, {'d', '1'}), s.server);
  s.a.ReceiveDatagram(InChannel(TurnScene::kNumber, InChannel(TurnScene::kNumber, kCheck)), s.server);
  CHECK(s.a.count(Counter::dropTurnRefused) == 7);
  CHECK(s.a.TakeEvents().empty() && s.a.count(Counter::turnReceived) == 0);
}

TEST("without its channel nothing is sent to a peer; a server is not reached by another one") {
  TurnScene s;
  s.a.Run(RemoveTurnChannel{s.ToB()});
  s.a.Run(SendDatagram{s.ToB(), kCheck});
  CHECK(udp_sent.empty() && s.a.count(Counter::dropNoChannel) == 1);
  s.a.Run(SetTurnChannel{{s.ToB(), s.ToB(), TurnScene::kNumber}});
  s.a.Run(SetTurnChannel{{{{}, s.relayed_b}, {{}, s.server}, TurnScene::kNumber}});
  CHECK(s.a.count(Counter::dropNoChannel) == 3);
  s.a.Run(SendDatagram{s.ToB(), kCheck});
  CHECK(udp_sent.empty());
}

TEST("a link whose channel is gone goes on by another one at once") {
  TurnScene s;
  Linked link = s.Link();
  Path spare{*IpAddress::Parse("a000::c353:c000:201"), s.relayed_b};
  Endpoint relayed_spare{s.server.address, 50003};
  constexpr uint16_t kOther = TurnScene::kNumber + 1;
  s.a.Run(SetTurnChannel{{spare, {{}, s.server}, kOther}});
  s.b.Run(SetTurnChannel{{{s.allocation_b, relayed_spare}, {{}, s.server}, kOther}});
  s.a.Run(AddPath{link.a, spare, 16});
  s.Carry();
  CHECK(*s.a.FindLink(link.a)->paths->active() == s.ToB());
  s.a.Run(RemoveTurnChannel{s.ToB()});
  CHECK(*s.a.FindLink(link.a)->paths->active() == spare);
  s.a.ReadTun(FromTun(1, 2, 100));
  s.Carry();
  CHECK(tun_written.size() == 1 && s.beside == 0);
}

TEST("more channels than JavaScript binds are not kept") {
  TurnChannels channels;
  IpAddress allocation = *IpAddress::Parse("a000::1");
  Endpoint server{*IpAddress::Parse("192.0.2.1"), 3478};
  auto channel = [&](size_t i) {
    return TurnChannels::Channel{{allocation, {server.address, static_cast<uint16_t>(i + 1)}},
                                 {{}, server},
                                 static_cast<uint16_t>(0x4000 + i)};
  };
  for (size_t i = 0; i < TurnChannels::kMost; i++) CHECK(channels.Set(channel(i)));
  CHECK(!channels.Set(channel(TurnChannels::kMost)));
  CHECK(channels.Set(channel(7)));
  for (size_t i = 0; i < TurnChannels::kMost; i++) {
    CHECK(channels.Find(channel(i).path)->number == 0x4000 + i);
    CHECK(channels.FindNumber(server, static_cast<uint16_t>(0x4000 + i))->path == channel(i).path);
  }
  CHECK(channels.Remove(channel(3).path) && !channels.Remove(channel(3).path));
  CHECK(channels.Find(channel(3).path) == nullptr);
}

}  // namespace idloc::test
