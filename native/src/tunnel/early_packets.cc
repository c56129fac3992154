#include "tunnel/early_packets.h"

#include <algorithm>
#include <utility>

namespace idloc {

namespace {
// What a packet costs beyond its own bytes: small ones shall not pass the bound in numbers.
constexpr size_t kBookkeepingBytes = 64;
}  // namespace

bool EarlyPackets::Hold(LinkId link, const uint8_t* packet, size_t length, uint8_t outer_ecn,
                        Nanoseconds until) {
  size_t weight = length + kBookkeepingBytes;
  if (bytes_ + weight > max_total_bytes_) return false;
  auto found = entries_.find(link);
  if (found == entries_.end()) {
    if (entries_.size() == kMaxLinks) return false;
    found = entries_.emplace(link, Entry{}).first;
    found->second.until = until;
  }
  Entry& entry = found->second;
  if (entry.packets.size() == kMaxPackets || entry.bytes + weight > kMaxBytes) return false;
  entry.packets.push_back({{packet, packet + length}, outer_ecn});
  entry.bytes += weight;
  bytes_ += weight;
  return true;
}

EarlyPackets::Entry EarlyPackets::Take(LinkId link) {
  auto found = entries_.find(link);
  if (found == entries_.end()) return {};
  Entry out = std::move(found->second);
  entries_.erase(found);
  bytes_ -= out.bytes;
  return out;
}

size_t EarlyPackets::Expire(Nanoseconds now) {
  size_t expired = 0;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (now < at->second.until) {
      ++at;
      continue;
    }
    expired += at->second.packets.size();
    bytes_ -= at->second.bytes;
    at = entries_.erase(at);
  }
  return expired;
}

Nanoseconds EarlyPackets::NextExpiry() const {
  Nanoseconds next = kNever;
  for (const auto& [link, entry] : entries_) next = std::min(next, entry.until);
  return next;
}

}  // namespace idloc
