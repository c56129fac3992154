#include "udp/transmit_queue.h"

namespace idloc {

uint8_t* TransmitQueue::Append(const Path& path, size_t length, uint8_t traffic_class) {
  if (first_ != next_) {
    Group& open = groups_[(next_ - 1) % kGroups];
    if (!open.closed && length <= open.segment && open.count < kMaxSegments &&
        open.length + length <= kMaxUdpPayload && open.traffic_class == traffic_class && open.path == path) {
      uint8_t* place = GroupBuffer(next_ - 1) + open.length;
      open.length += length;
      open.count++;
      open.closed = length < open.segment;
      return place;
    }
    open.closed = true;
    if (!blocked_) Flush();
  }
  if (next_ - first_ == kGroups) return nullptr;
  groups_[next_ % kGroups] = {path, length, length, 1, false, traffic_class};
  next_++;
  return GroupBuffer(next_ - 1);
}

void TransmitQueue::Flush() {
  blocked_ = false;
  while (first_ != next_) {
    const Group& group = groups_[first_ % kGroups];
    SendResult result =
        socket_->Send(group.path, GroupBuffer(first_), group.length, group.segment, group.traffic_class);
    if (result == SendResult::kBlocked) {
      groups_[(next_ - 1) % kGroups].closed = true;
      blocked_ = true;
      return;
    }
    if (result == SendResult::kFailed) counters_->Add(Counter::dropSendFailed, group.count);
    first_++;
  }
}

}  // namespace idloc
