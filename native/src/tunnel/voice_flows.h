#pragma once
// Recognises voice without a mark: small UDP packets in the rhythm of RTP (RFC 3551 s4.2: 20 ms a packet, 10
// to 60 in use).
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/counters.h"
#include "net/flow_key.h"

namespace idloc {

class VoiceFlows {
 public:
  // A packet with headers: G.711 at 60 ms is 540 bytes over IPv6.
  static constexpr size_t kMaxPacketBytes = 600;
  static constexpr int kWindow = 8;  // packets that are looked at together
  static constexpr Nanoseconds kLeastInterval = 4 * kMillisecond;
  static constexpr Nanoseconds kMostInterval = 70 * kMillisecond;

  explicit VoiceFlows(Counters* counters) : counters_(counters) {}

  // One packet of `length` bytes of a UDP flow; true: it is voice. Constant time and memory.
  bool Observe(const FlowKey& flow, size_t length, Nanoseconds now);

 private:
  static constexpr size_t kSets = 64;
  static constexpr size_t kWays = 4;

  struct Entry {
    FlowKey flow;
    Nanoseconds last_at = 0;  // 0: unused
    Nanoseconds window_at = 0;
    int packets = 0;
    bool voice = false;
  };

  Entry& Find(const FlowKey& flow);

  Counters* counters_;  // borrowed: the data plane owns both
  std::array<Entry, kSets * kWays> entries_{};
};

}  // namespace idloc
