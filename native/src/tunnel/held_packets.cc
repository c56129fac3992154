#include "tunnel/held_packets.h"

#include <algorithm>

namespace idloc {

HeldPackets::Result HeldPackets::Hold(const IpAddress& destination, const uint8_t* data, size_t length,
                                      Nanoseconds now) {
  auto found = entries_.find(destination);
  bool first = found == entries_.end();
  if (first) {
    if (entries_.size() == kMaxAddresses) return Result::kFull;
    found = entries_.emplace(destination, Entry{}).first;
    found->second.since = now;
  }
  Entry& entry = found->second;
  if (entry.packets.size() == kMaxPackets || entry.bytes + length > kMaxBytes) return Result::kFull;
  entry.packets.emplace_back(data, data + length);
  entry.bytes += length;
  return first ? Result::kFirst : Result::kHeld;
}

std::vector<HeldPackets::Packet> HeldPackets::Take(const IpAddress& destination) {
  auto found = entries_.find(destination);
  if (found == entries_.end()) return {};
  std::vector<Packet> out = std::move(found->second.packets);
  entries_.erase(found);
  return out;
}

size_t HeldPackets::Expire(Nanoseconds now) {
  size_t expired = 0;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (now - at->second.since < kLifetime) {
      ++at;
      continue;
    }
    expired += at->second.packets.size();
    at = entries_.erase(at);
  }
  return expired;
}

Nanoseconds HeldPackets::NextExpiry() const {
  Nanoseconds next = kNever;
  for (const auto& [address, entry] : entries_) next = std::min(next, entry.since + kLifetime);
  return next;
}

}  // namespace idloc
