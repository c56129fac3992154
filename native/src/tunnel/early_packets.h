#pragma once
// Packets of a peer that arrived before their inner source could be checked: before JavaScript authorized the
// link, or before it knew the peer's IPv4 claim. Bounded in number, bytes, links and time; peers that nobody
// knows yet fill it.
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "link/link.h"

namespace idloc {

class EarlyPackets {
 public:
  struct Packet {
    std::vector<uint8_t> bytes;  // as it lay in the record, whole or compressed
    uint8_t outer_ecn;           // of the datagram that brought it
  };
  struct Entry {
    std::vector<Packet> packets;  // oldest first
    size_t bytes = 0;
    Nanoseconds until = kNever;
  };

  static constexpr size_t kMaxPackets = 64;  // of a link, as many as its other end holds for it
  static constexpr size_t kMaxBytes = 256 * 1024;
  static constexpr size_t kMaxLinks = 256;
  static constexpr Nanoseconds kAuthorizeTime = 10 * kSecond;  // programs repeat themselves sooner
  static constexpr Nanoseconds kClaimTime = 2 * kSecond;       // a lookup in the overlay

  // Of all links together. Nothing is held before this is set.
  void SetMaxTotalBytes(size_t bytes) { max_total_bytes_ = bytes; }
  // `until`: when the link's packets are given up; the first one decides. False: full, not held.
  bool Hold(LinkId link, const uint8_t* packet, size_t length, uint8_t outer_ecn, Nanoseconds until);
  // Forgets the link.
  Entry Take(LinkId link);
  // Forgets links whose time is over; returns how many packets went with them.
  size_t Expire(Nanoseconds now);
  // kNever when nothing is held.
  Nanoseconds NextExpiry() const;

 private:
  std::unordered_map<LinkId, Entry> entries_;
  size_t bytes_ = 0;
  size_t max_total_bytes_ = 0;
};

}  // namespace idloc
