#include "udp/transmit_queue.h"

#include <cstring>

#include "support/devices.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

constexpr int kFirstUplink = 2;
constexpr int kOtherUplink = 3;

IpAddress Of(uint8_t device) {
  uint8_t bytes[4] = {10, device, 0, 2};
  return IpAddress::FromV4(bytes);
}

// A lane with a socket for each of two uplinks.
struct TwoUplinks {
  Counters counters;
  LaneSockets sockets{&counters};
  TransmitQueue queue{&sockets, &counters};

  TwoUplinks() {
    ResetDevices();
    CHECK(!sockets.Open(0).failed());
    for (int device : {kFirstUplink, kOtherUplink}) {
      auto socket = std::make_unique<LaneSocket>();
      socket->device = device;
      socket->addresses = {Of(static_cast<uint8_t>(device))};
      CHECK(!socket->udp.OpenOn(device, &sockets.main().udp, &counters).failed());
      sockets.Add(std::move(socket));
    }
  }

  bool Put(const IpAddress& local, uint8_t mark, uint16_t port = 1) {
    uint8_t* place = queue.Append({local, {Of(9), port}}, 1);
    if (place != nullptr) *place = mark;
    return place != nullptr;
  }
  uint64_t dropped() {
    auto* values = static_cast<std::atomic<uint64_t>*>(counters.data());
    return values[static_cast<size_t>(Counter::dropSendQueueFull)].load();
  }
};

// Device and content of each, in the order in which they left.
std::vector<std::pair<int, uint8_t>> Left() {
  std::vector<std::pair<int, uint8_t>> out;
  for (const SentGroup& group : std::exchange(udp_sent, {})) {
    for (uint8_t byte : group.data) out.emplace_back(group.device, byte);
  }
  return out;
}

using Sent = std::vector<std::pair<int, uint8_t>>;

}  // namespace

TEST("the source address chooses the socket, and those that are no uplink's leave by the main one") {
  TwoUplinks lane;
  CHECK(lane.Put(Of(kOtherUplink), 1) && lane.Put(Of(kFirstUplink), 2) && lane.Put({}, 3) &&
        lane.Put(Of(7), 4));
  lane.queue.Flush();
  CHECK((Left() == Sent{{kOtherUplink, 1}, {kFirstUplink, 2}, {0, 3}, {0, 4}}));
}

TEST("what waits for one uplink is passed by what leaves by another, and keeps its own order") {
  TwoUplinks lane;
  udp_full = {kFirstUplink};
  for (uint8_t i = 0; i < 6; i += 2)
    CHECK(lane.Put(Of(kFirstUplink), i, i) && lane.Put(Of(kOtherUplink), i + 1));
  lane.queue.FlushUnblocked();
  CHECK(lane.queue.blocked());
  CHECK((Left() == Sent{{kOtherUplink, 1}, {kOtherUplink, 3}, {kOtherUplink, 5}}));
  udp_full.clear();
  lane.queue.Flush();
  CHECK(!lane.queue.blocked());
  CHECK((Left() == Sent{{kFirstUplink, 0}, {kFirstUplink, 2}, {kFirstUplink, 4}}));
}

TEST("an uplink that takes nothing holds half of the queue at most, and that for a tenth of a second") {
  TwoUplinks lane;
  udp_full = {kFirstUplink};
  for (uint8_t i = 0; i < 20; i++) {
    CHECK(lane.Put(Of(kFirstUplink), i, i));
    CHECK(lane.Put(Of(kOtherUplink), i));
  }
  lane.queue.FlushUnblocked();
  CHECK(Left().size() == 20 && lane.dropped() == 16 && lane.queue.blocked());
  lane.queue.DropStalled(kSecond);
  CHECK(lane.queue.NextStall() == kSecond + TransmitQueue::kPatience);
  lane.queue.DropStalled(kSecond + TransmitQueue::kPatience - 1);
  CHECK(lane.queue.blocked());
  lane.queue.DropStalled(kSecond + TransmitQueue::kPatience);
  CHECK(!lane.queue.blocked() && lane.dropped() == 20 && lane.queue.NextStall() == kNever);
  // Nothing waits for it from then on, until it takes something.
  CHECK(lane.Put(Of(kFirstUplink), 1));
  lane.queue.Flush();
  CHECK(!lane.queue.blocked() && lane.dropped() == 21);
  udp_full.clear();
  CHECK(lane.Put(Of(kFirstUplink), 2));
  lane.queue.Flush();
  CHECK((Left() == Sent{{kFirstUplink, 2}}));
  udp_full = {kFirstUplink};
  CHECK(lane.Put(Of(kFirstUplink), 3));
  lane.queue.Flush();
  CHECK(lane.queue.blocked());
}

TEST("one that takes something slowly is not given up") {
  TwoUplinks lane;
  for (int i = 0; i < 10; i++) {
    udp_full = {kFirstUplink};
    CHECK(lane.Put(Of(kFirstUplink), 1));
    lane.queue.Flush();
    lane.queue.DropStalled(i * TransmitQueue::kPatience);
    udp_full.clear();
    // Its last chance is in time.
    lane.queue.DropStalled((i + 1) * TransmitQueue::kPatience);
    CHECK(Left().size() == 1 && !lane.queue.blocked());
  }
  CHECK(lane.dropped() == 0);
}

TEST("what waits for an uplink that goes away leaves as the kernel routes it") {
  TwoUplinks lane;
  udp_full = {kFirstUplink};
  CHECK(lane.Put(Of(kFirstUplink), 1));
  lane.queue.Flush();
  lane.sockets.Retire(lane.sockets.Of(kFirstUplink), 0);
  lane.queue.Flush();
  CHECK((Left() == Sent{{0, 1}}));
  CHECK(lane.sockets.Of(kFirstUplink) == nullptr && lane.sockets.others().size() == 2);
  CHECK(lane.sockets.TakeClosing(LaneSockets::kLinger - 1).empty());
  CHECK(lane.sockets.TakeClosing(LaneSockets::kLinger).size() == 1);
  CHECK(lane.sockets.others().size() == 1 && lane.sockets.NextClosing() == kNever);
}

TEST("with one socket all wait for it, however long") {
  ResetDevices();
  Counters counters;
  LaneSockets sockets(&counters);
  CHECK(!sockets.Open(0).failed());
  TransmitQueue queue(&sockets, &counters);
  udp_room = 0;
  for (uint16_t port = 1; port <= 8; port++) CHECK(queue.Append({{}, {Of(9), port}}, 1) != nullptr);
  queue.Flush();
  CHECK(queue.Append({{}, {Of(9), 9}}, 1) == nullptr);
  queue.DropStalled(0);
  queue.DropStalled(3600 * kSecond);
  CHECK(queue.blocked() && queue.NextStall() == kNever);
  udp_room = SIZE_MAX;
  queue.Flush();
  CHECK(udp_sent.size() == 8 && !queue.blocked());
  ResetDevices();
}

}  // namespace idloc::test
