#pragma once
// Collects records into buffers that one sendmsg with UDP_SEGMENT takes: same path, same traffic class, same
// length, only the last shorter.
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>

#include "udp/lane_sockets.h"

namespace idloc {

class TransmitQueue {
 public:
  // Where a lane has several sockets, one that takes nothing for so long holds the others up no more.
  static constexpr Nanoseconds kPatience = 100 * kMillisecond;

  TransmitQueue(LaneSockets* sockets, Counters* counters)
      : sockets_(sockets),
        counters_(counters),
        buffer_(std::make_unique_for_overwrite<uint8_t[]>(kGroups * kGroupBytes)) {
    std::iota(order_.begin(), order_.end(), uint8_t{0});
  }

  // Room for one datagram of exactly `length` bytes, borrowed until the next call; it counts as queued.
  // nullptr: a socket is blocked and the queue full; the caller counts the drop.
  // `traffic_class`: DSCP and ECN of the datagram.
  uint8_t* Append(const Path& path, size_t length, uint8_t traffic_class = 0);

  // Sends what is queued, of each socket in order, until it blocks.
  void Flush();
  // The same, unless there is only one socket and that is blocked.
  void FlushUnblocked() {
    if (!blocked_ || !sockets_->others().empty()) Flush();
  }

  // True: a socket took no more; wait until it is writable before reading more packets.
  bool blocked() const { return blocked_; }

  // Gives up what waits for a socket that has taken nothing since kPatience. Call often.
  void DropStalled(Nanoseconds now) {
    if (!sockets_->others().empty()) LookForStalled(now);
  }
  // When the next one counts as such; kNever: nothing waits, or for the only socket.
  Nanoseconds NextStall() const;

 private:
  struct Group {
    Path path;
    size_t segment = 0;
    size_t length = 0;
    size_t count = 0;
    bool closed = false;
    uint8_t traffic_class = 0;
  };
  // A super-packet fills at most three groups; the others hold what inbound work answers meanwhile.
  static constexpr size_t kGroups = 8;
  static constexpr size_t kGroupBytes = 65'536;
  // For one of several sockets; the rest is for the others.
  static constexpr size_t kMostWaiting = 4;

  uint8_t* GroupBuffer(size_t slot) { return &buffer_[slot * kGroupBytes]; }
  template <typename Visit>
  void VisitSockets(Visit visit) const {
    visit(sockets_->main());
    for (const auto& socket : sockets_->others()) visit(*socket);
  }
  void LookForStalled(Nanoseconds now);

  LaneSockets* sockets_;  // borrowed: the lane owns both
  Counters* counters_;    // borrowed: the data plane owns it
  std::unique_ptr<uint8_t[]> buffer_;
  std::array<Group, kGroups> groups_{};
  // The slots of groups: of the first `queued_` those that wait, oldest first; the newest may still grow.
  std::array<uint8_t, kGroups> order_{};
  size_t queued_ = 0;
  bool blocked_ = false;
};

}  // namespace idloc
