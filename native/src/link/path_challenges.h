#pragma once
// Whether the peer can be reached where its newest record came from (RFC 9146 s6). A copied record proves
// nothing: only an answer from there does.
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "net/address.h"

namespace idloc {

class PathChallenges {
 public:
  // Unpredictable, so that only who receives it can answer.
  static constexpr size_t kPayloadBytes = 8;
  using Payload = std::array<uint8_t, kPayloadBytes>;

  // `bytes` came on `path`, and a challenge would be `challenge_bytes` long. The payload to send there now,
  // or nullptr: one is under way, or more would go there than came from there. Borrowed until the next call.
  const Payload* Received(const Path& path, size_t bytes, size_t challenge_bytes, Nanoseconds now);
  // An answer came on `path`. True: it is the right one, and counts once.
  bool Answered(const Path& path, const uint8_t* payload, size_t length, Nanoseconds now);

 private:
  // A second one helps against a thief who copies what the peer sends, and is sometimes faster.
  static constexpr size_t kPaths = 4;
  static constexpr Nanoseconds kRepeatInterval = 100 * kMillisecond;
  static constexpr Nanoseconds kLifetime = 10 * kSecond;

  struct Challenge {
    Path path;
    Payload payload{};
    uint64_t received = 0;
    uint64_t sent = 0;
    Nanoseconds started_at = -kLifetime;
    Nanoseconds sent_at = -kLifetime;
  };

  std::array<Challenge, kPaths> challenges_{};
};

}  // namespace idloc
