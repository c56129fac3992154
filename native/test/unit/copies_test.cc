// What is urgent goes twice: by another path that is expected to work, also for what a member hands on.
#include <algorithm>

#include "support/hop_scene.h"
#include "support/packets.h"
#include "support/tun_reads.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

constexpr uint16_t kElsewhere = 7000;

Endpoint Elsewhere(const DataPlaneTester& host) { return {host.endpoint().address, kElsewhere}; }

Bytes Urgent(uint8_t source, uint8_t destination, size_t payload = 160) {
  FlowSpec flow;
  flow.udp = true;
  flow.source = source;
  flow.destination = destination;
  flow.traffic_class = 0xb8;  // EF
  Bytes packet = MakePacket(flow, Bytes(payload, 7));
  Bytes data(10);
  data.insert(data.end(), packet.begin(), packet.end());
  return data;
}

// What has just left to that port; all of it is forgotten.
std::vector<Bytes> TakeSentTo(uint16_t port) {
  std::vector<Bytes> out;
  for (const SentGroup& group : std::exchange(udp_sent, {})) {
    if (group.path.remote.port != port) continue;
    for (const Bytes& datagram : Datagrams(group)) out.push_back(datagram);
  }
  return out;
}

size_t BytesOf(const std::vector<Bytes>& datagrams) {
  size_t bytes = 0;
  for (const Bytes& datagram : datagrams) bytes += datagram.size();
  return bytes;
}

void Expect(DataPlaneTester& host, LinkId link, const DataPlaneTester& peer) {
  host.Run(AddPath{link, Path{host.endpoint().address, Elsewhere(peer)}, 200, true});
}

}  // namespace

TEST(
    "the peer is expected elsewhere: the urgent packet that left last goes there as well, and no other one") {
  HopScene s;
  s.a.ReadTun(FromTun(1, 3, 300));
  s.a.ReadTun(Urgent(1, 3));
  s.a.ReadTun(FromTun(1, 3, 300));
  std::vector<Bytes> sent = TakeSent();
  Expect(s.a, s.to_a.a, s.relay);
  std::vector<Bytes> there = TakeSentTo(kElsewhere);
  // A probe is the other one.
  CHECK(there.size() == 2 && s.a.count(Counter::recordsSentTwice) == 1);
  CHECK(std::count(sent.begin(), sent.end(), there[1]) == 1);
  Bytes record = there[1];
  size_t before = tun_written.size();
  s.relay.ReceiveDatagram(record, s.a.endpoint());
  s.relay.ReceiveDatagram(record, s.a.endpoint());
  CHECK(tun_written.size() == before + 1);
}

TEST("the urgent packet that left last went by a hop: it goes where the peer is expected, by itself") {
  HopScene s;
  Linked link = s.Link();
  s.a.ReadTun(Urgent(1, 2));
  CHECK(TakeSentTo(s.relay.endpoint().port).size() >= 1);
  Expect(s.a, link.a, s.b);
  CHECK(TakeSentTo(kElsewhere).size() == 2 && s.a.count(Counter::recordsSentTwice) == 1);
}

TEST(
    "a relay is expected elsewhere: what is urgent goes there by hops as well, 1,500 bytes at most, bulk "
    "does not") {
  HopScene s;
  s.Link();
  s.a.ReadTun(FromTun(1, 2, 160));
  s.Carry();
  Expect(s.a, s.to_a.a, s.relay);
  size_t bytes = BytesOf(TakeSentTo(kElsewhere));
  s.a.ReadTun(FromTun(1, 2, 160));
  CHECK(TakeSentTo(kElsewhere).empty());
  for (int i = 0; i < 20; i++) {
    s.a.ReadTun(Urgent(1, 2));
    std::vector<SentGroup> groups = udp_sent;
    std::vector<Bytes> there = TakeSentTo(kElsewhere);
    bytes += BytesOf(there);
    if (i > 0) continue;
    CHECK(there.size() == 1);
    // They are the same: whichever is there first counts.
    bool both = std::any_of(groups.begin(), groups.end(), [&](const SentGroup& group) {
      std::vector<Bytes> datagrams = Datagrams(group);
      return group.path.remote == s.relay.endpoint() &&
             std::count(datagrams.begin(), datagrams.end(), there[0]) == 1;
    });
    CHECK(both);
  }
  CHECK(bytes > 500 && bytes <= 1'500);
}

TEST(
    "a relay is expected elsewhere: a probe by a hop that has not been answered is made again, and goes "
    "there") {
  HopScene s;
  s.Link();
  s.a.ReadTun(Urgent(1, 2));
  TakeSent();
  uint64_t hops = s.a.count(Counter::hopsSent);
  Expect(s.a, s.to_a.a, s.relay);
  CHECK(TakeSentTo(kElsewhere).size() == 2);
  CHECK(s.a.count(Counter::hopsSent) == hops + 1);
  // Another one is of no use.
  Expect(s.a, s.to_a.a, s.relay);
  CHECK(s.a.count(Counter::hopsSent) == hops + 1);
}

TEST(
    "a member has moved: before it has proven where, what a relay hands on to it goes there as well, three "
    "times what came at most") {
  HopScene s;
  s.Link();
  s.a.ReadTun(Urgent(1, 2));
  size_t came = 0;
  for (const Bytes& datagram : TakeSentTo(s.relay.endpoint().port)) {
    s.relay.ReceiveDatagram(datagram, Elsewhere(s.a));
    came += datagram.size();
  }
  // The member does not answer: somebody else may be there.
  std::vector<SentGroup> before = std::exchange(udp_sent, {});
  size_t went = 0;
  uint64_t copies = 0;
  auto look = [&](const std::vector<SentGroup>& groups) {
    for (const SentGroup& group : groups) {
      if (group.path.remote.port == kElsewhere) went += BytesOf(Datagrams(group));
    }
  };
  look(before);
  for (int i = 0; i < 50; i++) {
    s.b.ReadTun(Urgent(2, 1));
    for (const Bytes& datagram : TakeSentTo(s.relay.endpoint().port))
      s.relay.ReceiveDatagram(datagram, s.b.endpoint());
    for (const SentGroup& group : udp_sent) copies += group.path.remote.port == kElsewhere ? 1 : 0;
    look(std::exchange(udp_sent, {}));
    s.relay.Advance(20 * kMillisecond);
    look(std::exchange(udp_sent, {}));
  }
  CHECK(copies > 0 && went <= 3 * came);
  CHECK(s.relay.count(Counter::hopsForwarded) >= 50);
}

TEST("what a relay hands on twice costs its sender twice") {
  constexpr uint64_t kRate = 400'000;
  for (bool moved : {false, true}) {
    HopScene s(kRate);
    s.Link();
    s.relay.Advance(kSecond);
    if (moved) {
      for (int i = 0; i < 20; i++) s.a.ReadTun(Urgent(1, 2, 1'000));
      for (const Bytes& datagram : TakeSentTo(s.relay.endpoint().port))
        s.relay.ReceiveDatagram(datagram, Elsewhere(s.a));
    }
    s.Forget();
    uint64_t forwarded = s.relay.count(Counter::hopsForwarded);
    size_t bytes = 0;
    for (int i = 0; i < 60; i++) {
      s.b.ReadTun(Urgent(2, 1, 900));
      for (const Bytes& datagram : TakeSentTo(s.relay.endpoint().port)) {
        bytes = std::max(bytes, datagram.size());
        s.relay.ReceiveDatagram(datagram, s.b.endpoint());
      }
      udp_sent.clear();
    }
    uint64_t passed = s.relay.count(Counter::hopsForwarded) - forwarded;
    uint64_t copies = s.relay.count(Counter::recordsSentTwice);
    CHECK(moved ? copies > 5 : copies == 0);
    constexpr uint64_t kBurst = kRate / RelayQuota::kUserShare / 4;
    CHECK((passed + copies) * 900 <= kBurst &&
          (passed + copies) * (bytes + RelayQuota::kDatagramBytes) >= kBurst * 8 / 10);
  }
}

TEST(
    "nothing answers on a direct path, and one by a relay is tried: the path to the relay is probed as "
    "well") {
  HopScene s;
  Linked link = s.LinkDirectly();
  s.a.ReadTun(Urgent(1, 2));
  Carry(s.a, s.b);
  s.a.ReadTun(Urgent(1, 3));
  s.a.Run(AddPath{link.a, s.ToB(), PathSet::kHopPreference});
  s.Carry();
  // Programs use that link no more.
  s.a.Advance(3 * kSecond);
  s.Forget();
  auto say = [&](bool answered) {
    uint64_t hops = s.a.count(Counter::hopsSent);
    size_t to_relay = 0;
    for (int i = 0; i < 20; i++) {
      s.a.ReadTun(Urgent(1, 2));
      s.a.Advance(20 * kMillisecond);
      for (const SentGroup& group : udp_sent) {
        if (group.path.remote == s.relay.endpoint()) to_relay += Datagrams(group).size();
      }
      if (answered) Carry(s.a, s.b);
      udp_sent.clear();
    }
    return to_relay - (s.a.count(Counter::hopsSent) - hops);
  };
  CHECK(say(true) == 0);
  CHECK(say(false) > 0);
}

}  // namespace idloc::test
