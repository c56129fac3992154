#include <algorithm>
#include <map>
#include <utility>

#include "link/resting_links.h"
#include "support/data_plane_tester.h"
#include "support/packets.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

constexpr Nanoseconds kLeastQuiet = 16 * kSecond;
constexpr Nanoseconds kMostQuiet = 20 * kSecond + RestingLinks::kTick;
// What JavaScript counts on: REST_SILENCE_MS.
constexpr Nanoseconds kMostSilence = 24 * kSecond;
constexpr Nanoseconds kStep = kSecond / 4;

// A model keeps the time of each link; the wheel is turned by steps of any size, and now and then late.
void TurnsInTime(Source& source) {
  RestingLinks wheel;
  std::map<LinkId, Link> links;
  std::map<LinkId, Nanoseconds> due;
  // Also far from the start, where slots are used again.
  Nanoseconds now = static_cast<Nanoseconds>(source.Below(1000)) * kSecond + kSecond / 7;
  size_t rounds = source.Between(1, 300);
  // Often none for a long while.
  size_t rare = source.Between(1, 40);
  std::vector<LinkId> taken;
  for (size_t round = 0; round < rounds; round++) {
    for (size_t i = source.OneIn(rare) ? source.Below(4) : 0; i > 0; i--) {
      auto id = static_cast<LinkId>(1 + source.Below(20));
      auto ahead = static_cast<Nanoseconds>(source.Below(source.OneIn(4) ? 300 : 20'001)) * kMillisecond;
      Link& link = links[id];
      link.id = id;
      due[id] = now + ahead;
      wheel.Put(&link, now + ahead, now);
    }
    for (const auto& [id, at] : due) CHECK(wheel.NextTime() <= at + RestingLinks::kTick);
    now += source.OneIn(8) ? static_cast<Nanoseconds>(source.Below(10)) * kSecond
                           : static_cast<Nanoseconds>(source.Below(1000)) * kMillisecond;
    uint64_t tick = 0;
    while (wheel.TakeDue(now, &taken, &tick)) {
      for (LinkId id : taken) {
        // An entry of before it was moved.
        if (links[id].rest_tick != tick || !due.contains(id)) continue;
        CHECK(due[id] <= now);
        due.erase(id);
      }
    }
    for (const auto& [id, at] : due) CHECK(at + RestingLinks::kTick > now);
    CHECK(wheel.NextTime() > now);
  }
}

struct Resting {
  DataPlaneTester a{1};
  DataPlaneTester b{2};
  Linked link;

  Resting() : link((ResetDevices(), Connect(a, b))) {
    a.Run(Authorize{link.a, b.hit(), b.ipv4()});
    b.Run(Authorize{link.b, a.hit(), a.ipv4()});
    a.TakeEvents();
    b.TakeEvents();
    // No two hosts have the same clock.
    b.Advance(kMillisecond / 7);
  }

  // Time passes for both; what they send arrives at once.
  void Pass(Nanoseconds time) {
    for (; time > 0; time -= kStep) {
      a.Advance(kStep);
      b.Advance(kStep);
      Carry(a, b);
    }
  }
};

// The time until `a` has sent another request, which nobody gets.
Nanoseconds UntilAsked(DataPlaneTester& a) {
  uint64_t before = a.count(Counter::keepalivesSent);
  for (Nanoseconds passed = 0; passed < 60 * kSecond; passed += kStep) {
    a.Advance(kStep);
    if (a.count(Counter::keepalivesSent) > before) return passed + kStep;
  }
  return kNever;
}

Bytes FromTun(const Bytes& packet) {
  Bytes data(10);
  data.insert(data.end(), packet.begin(), packet.end());
  return data;
}

Bytes Datagram(size_t payload) {
  FlowSpec flow;
  flow.udp = true;
  return MakePacket(flow, Bytes(payload));
}

bool IsStirred(const std::vector<Event>& events, LinkId link, bool silent) {
  return events.size() == 1 && events[0].type == EventType::kStirred && events[0].link == link &&
         events[0].silent == silent;
}

}  // namespace

PROPERTY("a resting link is due within a tick of its time, never before, and moved as often as one likes",
         TurnsInTime, 500);

TEST("of two resting ends one asks every 16 to 20 s, or both, and JavaScript hears nothing") {
  Resting pair;
  pair.a.Run(Rest{pair.link.a});
  pair.b.Run(Rest{pair.link.b});
  pair.Pass(600 * kSecond);
  uint64_t by_a = pair.a.count(Counter::keepalivesSent);
  uint64_t by_b = pair.b.count(Counter::keepalivesSent);
  CHECK(by_a > 0 && by_a <= 600 / 16 && by_b > 0 && by_b <= 600 / 16);
  CHECK(by_a + by_b >= static_cast<uint64_t>(600 * kSecond / kMostQuiet));
  CHECK(pair.b.count(Counter::echoesAnswered) == by_a && pair.a.count(Counter::echoesAnswered) == by_b);
  CHECK(pair.a.TakeEvents().empty() && pair.b.TakeEvents().empty());
}

TEST("an answer that comes when the link rests no more does not come up either") {
  Resting pair;
  pair.a.Run(Rest{pair.link.a});
  UntilAsked(pair.a);
  pair.a.Run(SetPath{pair.link.a, Path{{}, pair.b.endpoint()}});
  Carry(pair.a, pair.b);
  CHECK(pair.b.count(Counter::echoesAnswered) == 1);
  CHECK(pair.a.TakeEvents().empty());
}

TEST("a peer that is gone is asked three times, and JavaScript learns it when the last time is over") {
  Resting pair;
  pair.a.Run(Rest{pair.link.a});
  Nanoseconds passed = UntilAsked(pair.a);
  CHECK(passed >= kLeastQuiet && passed <= kMostQuiet);
  for (int i = 0; i < 2; i++) {
    CHECK(pair.a.TakeEvents().empty());
    passed += UntilAsked(pair.a);
  }
  Nanoseconds heard_at = pair.a.FindLink(pair.link.a)->heard_at;
  CHECK(UntilAsked(pair.a) == kNever && pair.a.count(Counter::keepalivesSent) == 3);
  std::vector<Event> events = pair.a.TakeEvents();
  CHECK(IsStirred(events, pair.link.a, true));
  CHECK(events[0].heard_at == heard_at && events[0].at - heard_at <= kMostSilence);
}

TEST("requests of which every second one is lost keep a link at rest") {
  Resting pair;
  pair.a.Run(Rest{pair.link.a});
  for (int i = 0; i < 20; i++) {
    UntilAsked(pair.a);
    if (i % 2 == 0) udp_sent.clear();
    Carry(pair.a, pair.b);
  }
  CHECK(pair.a.FindLink(pair.link.a)->resting && pair.a.TakeEvents().empty());
}

TEST("the first packet of a program stirs both ends, whole or in pieces") {
  for (size_t payload : {size_t{100}, size_t{1300}}) {
    Resting pair;
    pair.a.Run(Rest{pair.link.a});
    pair.b.Run(Rest{pair.link.b});
    pair.a.ReadTun(FromTun(Datagram(payload)));
    pair.a.ReadTun(FromTun(Datagram(payload)));
    Carry(pair.a, pair.b);
    CHECK(tun_written.size() >= 2);
    CHECK((pair.a.count(Counter::packetsFragmented) == 2) == (payload > 1280));
    auto stirred = [](std::vector<Event> events) {
      std::erase_if(events, [](const Event& event) { return event.type != EventType::kStirred; });
      return events;
    };
    CHECK(IsStirred(stirred(pair.a.TakeEvents()), pair.link.a, false));
    CHECK(IsStirred(stirred(pair.b.TakeEvents()), pair.link.b, false));
    CHECK(UntilAsked(pair.a) == kNever);
  }
}

TEST("a link that got another path, or that is closed, rests no more") {
  for (bool closed : {false, true}) {
    Resting pair;
    pair.a.Run(Rest{pair.link.a});
    if (closed) {
      pair.a.Run(CloseLink{pair.link.a});
    } else {
      pair.a.Run(SetPath{pair.link.a, Path{{}, pair.b.endpoint()}});
    }
    CHECK(UntilAsked(pair.a) == kNever);
    CHECK(pair.a.TakeEvents().empty());
  }
}

TEST("both ends rest when the NAT of one takes another port: its requests show it, and both rest on") {
  Resting pair;
  const Endpoint moved{pair.a.endpoint().address, 6090};
  pair.a.Run(Rest{pair.link.a});
  pair.b.Run(Rest{pair.link.b});
  auto pass = [&](Nanoseconds time) {
    for (; time > 0; time -= kStep) {
      pair.a.Advance(kStep);
      pair.b.Advance(kStep);
      while (!udp_sent.empty()) {
        for (const SentGroup& group : std::exchange(udp_sent, {})) {
          if (group.from == pair.a.endpoint().port) {
            pair.b.ReceiveBatch(Datagrams(group), moved);
          } else if (group.path.remote == moved) {
            // What goes to where it was is lost.
            pair.a.ReceiveBatch(Datagrams(group), pair.b.endpoint());
          }
        }
      }
    }
  };
  // `a` asks first: its peer heard something else meanwhile.
  pass(5 * kSecond);
  pair.b.Run(Rest{pair.link.b});
  pass(kMostSilence - 5 * kSecond);
  CHECK(pair.b.count(Counter::pathsMoved) == 1);
  CHECK(pair.b.FindLink(pair.link.b)->path->remote == moved);
  pass(600 * kSecond);
  CHECK(pair.a.FindLink(pair.link.a)->resting && pair.b.FindLink(pair.link.b)->resting);
  CHECK(pair.a.TakeEvents().empty());
  for (const Event& event : pair.b.TakeEvents())
    CHECK(event.type == EventType::kMoved || event.type == EventType::kNewPath);
}

TEST("of two ends that sleep, or one, nothing is sent for half a day, and the first packet stirs both") {
  for (bool both : {true, false}) {
    Resting pair;
    // One rests before the other has said that it sleeps.
    pair.b.Run(Rest{pair.link.b, both});
    pair.a.Run(Rest{pair.link.a, true});
    Carry(pair.a, pair.b);
    pair.b.Run(Rest{pair.link.b, both});
    Carry(pair.a, pair.b);
    for (Nanoseconds passed = 0; passed < 12 * 3600 * kSecond; passed += kStep) {
      pair.a.Advance(kStep);
      pair.b.Advance(kStep);
      CHECK(udp_sent.empty());
    }
    CHECK(pair.a.TakeEvents().empty() && pair.b.TakeEvents().empty());
    pair.a.ReadTun(FromTun(Datagram(100)));
    Carry(pair.a, pair.b);
    CHECK(tun_written.size() == 1);
    for (DataPlaneTester* end : {&pair.a, &pair.b}) {
      std::vector<Event> events = end->TakeEvents();
      std::erase_if(events, [](const Event& event) { return event.type != EventType::kStirred; });
      CHECK(events.size() == 1 && !events[0].silent && events[0].heard_at == events[0].at);
    }
    // Then it is as ever.
    tun_written.clear();
    pair.b.Run(Rest{pair.link.b});
    CHECK(UntilAsked(pair.b) <= kMostQuiet);
  }
}

TEST("a sleeper whose word was lost says it again when it is asked for a sign of life") {
  Resting pair;
  pair.b.Run(Rest{pair.link.b});
  pair.a.Run(Rest{pair.link.a, true});
  udp_sent.clear();
  CHECK(UntilAsked(pair.b) <= kMostQuiet);
  Carry(pair.a, pair.b);
  CHECK(UntilAsked(pair.b) == kNever);
}

TEST("the keys of a link that only ever rests are changed after six hours, and it rests on") {
  Resting pair;
  pair.a.Run(Rest{pair.link.a});
  pair.b.Run(Rest{pair.link.b});
  pair.Pass(13 * 3600 * kSecond);
  for (DataPlaneTester* end : {&pair.a, &pair.b}) {
    CHECK(end->count(Counter::rekeysCompleted) == 2);
    CHECK(end->TakeEvents().empty());
  }
  CHECK(pair.a.FindLink(pair.link.a)->resting && pair.b.FindLink(pair.link.b)->resting);
}

}  // namespace idloc::test
