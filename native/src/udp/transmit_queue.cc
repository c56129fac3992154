#include "udp/transmit_queue.h"

#include <algorithm>
#include <utility>

namespace idloc {

uint8_t* TransmitQueue::Append(const Path& path, size_t length, uint8_t traffic_class) {
  if (queued_ > 0) {
    size_t newest = order_[queued_ - 1];
    Group& open = groups_[newest];
    if (!open.closed && length <= open.segment && open.count < kMaxSegments &&
        open.length + length <= kMaxUdpPayload && open.traffic_class == traffic_class && open.path == path) {
      uint8_t* place = GroupBuffer(newest) + open.length;
      open.length += length;
      open.count++;
      open.closed = length < open.segment;
      return place;
    }
    open.closed = true;
    FlushUnblocked();
  }
  if (queued_ == kGroups) return nullptr;
  size_t slot = order_[queued_++];
  groups_[slot] = {path, length, length, 1, false, traffic_class};
  return GroupBuffer(slot);
}

void TransmitQueue::Flush() {
  blocked_ = false;
  if (queued_ == 0) return;
  VisitSockets([](LaneSocket& socket) {
    socket.full = false;
    socket.waiting = 0;
  });
  const size_t most_waiting = sockets_->others().empty() ? kGroups : kMostWaiting;
  size_t kept = 0;
  for (size_t i = 0; i < queued_; i++) {
    Group& group = groups_[order_[i]];
    LaneSocket& socket = sockets_->For(group.path);
    // Behind what waits for this socket, and past what waits for others.
    SendResult result = socket.full ? SendResult::kBlocked
                                    : socket.udp.Send(group.path, GroupBuffer(order_[i]), group.length,
                                                      group.segment, group.traffic_class);
    if (result == SendResult::kBlocked) {
      socket.full = true;
      if (!socket.stalled && socket.waiting < most_waiting) {
        socket.waiting++;
        group.closed = true;
        std::swap(order_[kept++], order_[i]);
        continue;
      }
      counters_->Add(Counter::dropSendQueueFull, group.count);
    } else {
      socket.stalled = false;
      socket.waiting_since = kNever;
      if (result == SendResult::kFailed) counters_->Add(Counter::dropSendFailed, group.count);
    }
  }
  queued_ = kept;
  blocked_ = kept > 0;
}

void TransmitQueue::LookForStalled(Nanoseconds now) {
  if (!blocked_) return;
  bool some = false;
  VisitSockets([&](LaneSocket& socket) {
    if (socket.waiting == 0) return;
    if (socket.waiting_since == kNever) {
      socket.waiting_since = now;
    } else if (now - socket.waiting_since >= kPatience) {
      socket.stalled = true;
      some = true;
    }
  });
  // It has a last chance.
  if (some) Flush();
}

Nanoseconds TransmitQueue::NextStall() const {
  Nanoseconds next = kNever;
  if (!blocked_ || sockets_->others().empty()) return next;
  VisitSockets([&](const LaneSocket& socket) {
    if (socket.waiting > 0 && socket.waiting_since != kNever)
      next = std::min(next, socket.waiting_since + kPatience);
  });
  return next;
}

}  // namespace idloc
