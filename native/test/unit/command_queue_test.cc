#include "data_plane/command_queue.h"

#include <thread>

#include "support/packets.h"
#include "unit/test.h"

namespace idloc::test {

TEST(
    "commands are taken once, in their order, while others are pushed, and the first one asks for a "
    "wake-up") {
  constexpr LinkId kCount = 100'000;
  CommandQueue queue;
  std::atomic<int> wakes{0};
  std::thread producer([&] {
    for (LinkId i = 1; i <= kCount; i++) {
      if (queue.Push(Rest{i})) wakes.fetch_add(1);
    }
  });
  LinkId taken = 0;
  int batches = 0;
  bool in_order = true;
  while (taken < kCount) {
    queue.Collect();
    Command command;
    if (!queue.Pop(&command)) continue;
    batches++;
    do {
      in_order = in_order && std::get<Rest>(command).link == ++taken;
    } while (queue.Pop(&command));
  }
  producer.join();
  CHECK(in_order);
  CHECK(batches == wakes.load());
  Command command;
  CHECK(queue.Collect() == 0);
  CHECK(!queue.Pop(&command));
}

TEST("data beyond the bound is lost and counted, other commands are not, and what is taken makes room") {
  CommandQueue queue;
  queue.SetMaxBytes(2 * (100 + CommandQueue::kOverhead));
  Command command;
  for (int round = 0; round < 2; round++) {
    CHECK(queue.Push(SendRecord{1, Bytes(100)}));
    CHECK(!queue.Push(SendDatagram{{}, Bytes(100)}));
    CHECK(!queue.Push(SendDatagram{{}, Bytes(1)}));
    CHECK(!queue.Push(SendRecord{2, Bytes(1)}));
    CHECK(!queue.Push(CloseLink{3}));
    CHECK(queue.Collect() == 2);
    CHECK(queue.Pop(&command) && std::holds_alternative<SendRecord>(command));
    CHECK(queue.Pop(&command) && std::holds_alternative<SendDatagram>(command));
    CHECK(queue.Pop(&command) && std::holds_alternative<CloseLink>(command));
    CHECK(!queue.Pop(&command));
  }
  // What nobody takes is freed with the queue (AddressSanitizer looks).
  CHECK(queue.Push(SendRecord{4, Bytes(100)}));
  queue.Collect();
  CHECK(queue.Push(SendRecord{5, Bytes(50)}));
}

}  // namespace idloc::test
