#include "data_plane/event_ring.h"

#include <thread>

#include "support/data_plane_tester.h"
#include "support/packets.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

Event Of(EventType type, LinkId link = 0, uint16_t port = 0) {
  Event event;
  event.type = type;
  event.link = link;
  event.remote.port = port;
  return event;
}

// Until nothing more is taken of what may be lost.
void Fill(EventRing& ring) {
  while (ring.Push(Of(EventType::kUnknown))) continue;
}

std::vector<Event> TakeAll(EventRing& ring) {
  std::vector<Event> out;
  Event event;
  // What waited beside the ring comes when there is room in it.
  while (ring.Settle()) {
    while (ring.Pop(&event)) {
      if (event.type != EventType::kUnknown) out.push_back(std::move(event));
    }
  }
  return out;
}

}  // namespace

TEST("a change of the network is told by a full ring too, at once, and once however often it came") {
  EventRing ring;
  ring.SetLimits(SIZE_MAX, 64);
  Fill(ring);
  for (int i = 0; i < 3; i++) CHECK(ring.Push(Of(EventType::kNetwork)));
  Event event;
  CHECK(ring.Settle() && ring.Pop(&event) && event.type == EventType::kNetwork);
  CHECK(ring.Pop(&event) && event.type == EventType::kUnknown);
  CHECK(TakeAll(ring).empty());
  // Alone in the ring it wakes JavaScript as any event does.
  CHECK(!ring.Settle());
  CHECK(ring.Push(Of(EventType::kNetwork)));
  CHECK(ring.Settle() && TakeAll(ring).size() == 1);
}

TEST("of the moves that a full ring does not take, the last of each link is told, beside its new path") {
  EventRing ring;
  ring.SetLimits(SIZE_MAX, 64);
  Fill(ring);
  for (uint16_t port = 1; port <= 1000; port++) {
    for (LinkId link : {7U, 8U}) {
      CHECK(ring.Push(Of(EventType::kMoved, link, port)));
      CHECK(ring.Push(Of(EventType::kNewPath, link, port)));
    }
  }
  CHECK(ring.has_waiting());
  std::vector<Event> told = TakeAll(ring);
  CHECK(told.size() == 4);
  for (const Event& event : told) CHECK(event.remote.port == 1000);
  CHECK(!ring.has_waiting());
  // With room in it, each is told.
  CHECK(ring.Push(Of(EventType::kMoved, 7, 1)) && ring.Push(Of(EventType::kMoved, 7, 2)));
  CHECK(TakeAll(ring).size() == 2);
}

TEST("a move that waits is told after the beginning of its link, and not after its end") {
  EventRing ring;
  ring.SetLimits(SIZE_MAX, 64);
  Fill(ring);
  // The room that is kept for these is used up too.
  for (size_t i = 0; i < EventRing::kReserved; i++) CHECK(ring.Push(Of(EventType::kStirred)));
  for (LinkId link : {7U, 8U}) {
    CHECK(ring.Push(Of(EventType::kConnected, link)));
    CHECK(ring.Push(Of(EventType::kMoved, link)));
  }
  CHECK(ring.Push(Of(EventType::kClosed, 7)));
  std::vector<EventType> told;
  for (const Event& event : TakeAll(ring)) {
    if (event.link != 0) told.push_back(event.type);
  }
  using enum EventType;
  CHECK((told == std::vector{kConnected, kConnected, kClosed, kMoved}));
}

TEST("the last change of the network is never missed, whatever JavaScript takes meanwhile") {
  constexpr int kChanges = 100'000;
  EventRing ring;
  ring.SetLimits(1, 64);
  std::atomic<int> changes{0};
  std::thread producer([&] {
    for (int i = 1; i <= kChanges; i++) {
      changes.store(i);
      ring.Push(Of(EventType::kNetwork));
    }
  });
  int seen = 0;
  Event event;
  while (seen < kChanges) {
    if (ring.Pop(&event)) seen = changes.load();
  }
  producer.join();
  CHECK(!ring.Settle() || (ring.Pop(&event) && !ring.Settle()));
}

TEST("a check is told before all records that wait, and checks in whatever number leave those their turn") {
  EventRing ring;
  ring.SetLimits(SIZE_MAX, 1000);
  auto stats = std::make_shared<LinkStats>();
  auto push = [&](EventType type, size_t count) {
    for (size_t i = 0; i < count; i++) {
      Event event = Of(type);
      event.stats = stats;
      CHECK(ring.Push(std::move(event)));
    }
  };
  push(EventType::kRecord, 100);
  push(EventType::kStun, 1);
  Event event;
  CHECK(ring.Pop(&event) && event.type == EventType::kStun);
  push(EventType::kStun, 900);
  size_t checks = 0;
  size_t records = 0;
  for (size_t i = 0; i < 9 * 100; i++) {
    CHECK(ring.Pop(&event));
    (event.type == EventType::kRecord ? records : checks)++;
    CHECK(checks <= (records + 1) * EventRing::kChecksInARow);
  }
  CHECK(records >= 99);
  while (ring.Pop(&event)) (event.type == EventType::kRecord ? records : checks)++;
  CHECK(records == 100 && checks == 900 && !ring.Settle());
  CHECK(stats->waiting_records.load() == 0 && stats->waiting_checks.load() == 0);
}

TEST("checks of links are taken while records fill all that there is, and while strangers' checks do") {
  for (EventType flood : {EventType::kRecord, EventType::kForeign, EventType::kStun}) {
    EventRing ring;
    ring.SetLimits(1'000'000, 64);
    size_t taken = 0;
    for (int i = 0; i < 100'000; i++) {
      Event event = Of(flood);
      event.data.resize(1000);
      if (flood == EventType::kRecord) event.stats = std::make_shared<LinkStats>();
      if (!ring.Push(std::move(event))) break;
      taken++;
    }
    CHECK(taken > 50 && taken < 1000);
    auto stats = std::make_shared<LinkStats>();
    stats->waiting_records.store(64);
    for (int i = 0; i < 65; i++) {
      Event event = Of(EventType::kStun);
      event.stats = stats;
      CHECK(ring.Push(std::move(event)) == (i < 64));
    }
  }
}

TEST("a peer that moves while JavaScript takes nothing is told of all the same, and so is a new address") {
  ResetDevices();
  Limits limits;
  limits.event_bytes = 1;
  DataPlaneTester a(1);
  DataPlaneTester b(2, limits);
  Linked link = Connect(a, b);
  b.TakeEvents();
  const Endpoint moved{a.endpoint().address, 6090};
  a.Run(SendRecord{link.a, Bytes(100, 0x80)});
  for (int round = 0; round < 2; round++) {
    for (const SentGroup& group : std::exchange(udp_sent, {})) {
      if (group.from == a.endpoint().port) {
        b.ReceiveBatch(Datagrams(group), moved);
      } else {
        a.ReceiveBatch(Datagrams(group), b.endpoint());
      }
    }
  }
  for (const SentGroup& group : std::exchange(udp_sent, {})) b.ReceiveBatch(Datagrams(group), moved);
  CHECK(b.count(Counter::pathsMoved) == 1);
  b.ChangeNetwork();
  b.Advance(kSecond);
  std::vector<EventType> told;
  for (const Event& event : b.TakeEvents()) told.push_back(event.type);
  using enum EventType;
  CHECK((told == std::vector{kNetwork, kNewPath, kMoved}));
  CHECK(b.count(Counter::dropEventsFull) == 1);  // the record
}

}  // namespace idloc::test
