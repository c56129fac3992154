#include "tun/backlog.h"

#include <deque>

#include "property/properties.h"
#include "support/check.h"

namespace idloc::test {

void QueuesWithoutLoss(Source& source) {
  Backlog backlog;
  struct Entry {
    size_t length;
    uint8_t mark;
  };
  std::deque<Entry> expected;
  size_t bytes = 0;
  size_t most = source.OneIn(4) ? 2000 : Backlog::kEntryBytes;
  bool filling = true;
  for (size_t round = 0; round < 3000 && !(round > 0 && source.done()); round++) {
    if (source.OneIn(64)) filling = !filling;
    CHECK(backlog.empty() == expected.empty());
    bool put = filling ? !source.OneIn(4) : source.OneIn(4);
    if (put) {
      uint8_t* room = backlog.Room();
      if (room == nullptr) {
        // Full, and not long before: what wrapping leaves unused is less than two entries.
        CHECK(bytes + 4 * Backlog::kEntryBytes > Backlog::kBytes);
        filling = false;
        continue;
      }
      auto mark = static_cast<uint8_t>(round);
      size_t length = source.Between(1, most);
      room[0] = room[length - 1] = mark;
      // All of the room may be written.
      room[Backlog::kEntryBytes - 1] = length == Backlog::kEntryBytes ? mark : 0;
      // Urgent packets are handled where they were read, and never queued.
      if (source.OneIn(8)) continue;
      backlog.Append(length);
      expected.push_back({length, mark});
      bytes += length + sizeof(size_t);
    } else if (!expected.empty()) {
      size_t length = 0;
      const uint8_t* front = backlog.Front(&length);
      CHECK(length == expected.front().length);
      CHECK(front[0] == expected.front().mark && front[length - 1] == expected.front().mark);
      backlog.Pop();
      bytes -= length + sizeof(size_t);
      expected.pop_front();
    }
  }
}

}  // namespace idloc::test
