#include "tunnel/held_packets.h"

#include <algorithm>

namespace idloc {

namespace {
// What a packet costs beyond its own bytes: small ones shall not pass the bound in numbers.
constexpr size_t kBookkeepingBytes = 64;
}  // namespace

HeldPackets::Result HeldPackets::Hold(const IpAddress& destination, const uint8_t* data, size_t length,
                                      Nanoseconds now) {
  size_t weight = length + kBookkeepingBytes;
  if (bytes_ + weight > max_total_bytes_) return Result::kFull;
  auto found = entries_.find(destination);
  bool first = found == entries_.end();
  if (first) {
    if (entries_.size() == kMaxAddresses) return Result::kFull;
    found = entries_.emplace(destination, Entry{}).first;
    found->second.since = now;
  }
  Entry& entry = found->second;
  if (entry.packets.size() == kMaxPackets || entry.bytes + weight > kMaxBytes) return Result::kFull;
  entry.packets.emplace_back(data, data + length);
  entry.bytes += weight;
  bytes_ += weight;
  return first ? Result::kFirst : Result::kHeld;
}

std::vector<HeldPackets::Packet> HeldPackets::Take(const IpAddress& destination) {
  auto found = entries_.find(destination);
  if (found == entries_.end()) return {};
  std::vector<Packet> out = std::move(found->second.packets);
  bytes_ -= found->second.bytes;
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
    bytes_ -= at->second.bytes;
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
