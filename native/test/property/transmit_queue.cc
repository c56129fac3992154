#include "udp/transmit_queue.h"

#include <cstring>
#include <deque>

#include "property/properties.h"
#include "support/check.h"
#include "support/devices.h"

namespace idloc::test {

namespace {

struct Given {
  Path path;
  Bytes data;
};

}  // namespace

void GroupsAsTheKernelTakesThem(Source& source) {
  ResetDevices();
  Counters counters;
  LaneSockets sockets(&counters);
  CHECK(!sockets.Open(0).failed());
  TransmitQueue queue(&sockets, &counters);
  std::deque<Given> given;
  size_t dropped = 0;
  size_t rounds = source.Between(1, 400);
  size_t usual = source.Between(1, 1500);
  // Long runs of one size, or something new all the time.
  size_t calm = source.OneIn(2) ? 256 : 16;
  for (size_t round = 0; round < rounds; round++) {
    switch (source.Byte() % calm) {
      case 0:
        queue.Flush();
        continue;
      case 1:
        udp_room = source.Below(4);
        continue;
      case 2:
        udp_room = SIZE_MAX;
        // As the loop does when the socket is writable again.
        queue.Flush();
        continue;
      case 3:
        usual = source.OneIn(8) ? source.Between(1, 65'507) : source.Between(1, 1500);
        break;
      default:
        break;
    }
    size_t length = source.OneIn(calm) ? source.Between(1, usual) : usual;
    Path path;
    path.remote.port = static_cast<uint16_t>(1000 + (source.OneIn(calm) ? source.Below(3) : 0));
    uint8_t* place = queue.Append(path, length);
    if (place == nullptr) {
      // Only when the socket takes nothing.
      CHECK(queue.blocked());
      dropped++;
      continue;
    }
    auto mark = static_cast<uint8_t>(round);
    std::memset(place, mark, length);
    given.push_back({path, Bytes(length, mark)});
  }
  udp_room = SIZE_MAX;
  queue.Flush();
  CHECK(!queue.blocked());

  for (const SentGroup& group : udp_sent) {
    // udp(7): segments of one size, only the last may be shorter; at most UDP_MAX_SEGMENTS, and one IP
    // packet's worth.
    CHECK(group.segment > 0 && !group.data.empty());
    CHECK(group.data.size() <= 65'507);
    CHECK((group.data.size() + group.segment - 1) / group.segment <= 64);
    for (const Bytes& datagram : Datagrams(group)) {
      CHECK(!given.empty());
      CHECK(given.front().path == group.path);
      CHECK(given.front().data == datagram);
      given.pop_front();
    }
  }
  CHECK(given.empty());
}

}  // namespace idloc::test
