#pragma once
// Packets that wait for a link to their destination: bounded in number, bytes, addresses and time.
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "net/address.h"

namespace idloc {

class HeldPackets {
 public:
  // As read from the TUN: vnet header and packet.
  using Packet = std::vector<uint8_t>;
  enum class Result { kFirst, kHeld, kFull };

  static constexpr size_t kMaxPackets = 64;        // a burst of a program that does not wait for answers
  static constexpr size_t kMaxBytes = 256 * 1024;  // per address
  static constexpr size_t kMaxAddresses = 256;
  static constexpr Nanoseconds kLifetime = 10 * kSecond;  // programs repeat themselves sooner

  // Of all addresses together. Nothing is held before this is set.
  void SetMaxTotalBytes(size_t bytes) { max_total_bytes_ = bytes; }
  // kFirst: a new address; the caller reports the miss. kFull: not held.
  Result Hold(const IpAddress& destination, const uint8_t* data, size_t length, Nanoseconds now);
  // Oldest first; the address is forgotten.
  std::vector<Packet> Take(const IpAddress& destination);
  // Forgets addresses that waited too long; returns how many packets went with them.
  size_t Expire(Nanoseconds now);
  // kNever when nothing is held.
  Nanoseconds NextExpiry() const;

 private:
  struct Entry {
    std::vector<Packet> packets;
    size_t bytes = 0;
    Nanoseconds since = 0;
  };
  std::unordered_map<IpAddress, Entry, AddressHash> entries_;
  size_t bytes_ = 0;
  size_t max_total_bytes_ = 0;
};

}  // namespace idloc
