#pragma once
#include <cstdint>
#include <ctime>

namespace idloc {

// Nanoseconds of CLOCK_MONOTONIC: the clock of every deadline in the data plane.
using Nanoseconds = int64_t;
inline constexpr Nanoseconds kMillisecond = 1'000'000;
inline constexpr Nanoseconds kSecond = 1'000'000'000;
inline constexpr Nanoseconds kNever = INT64_MAX;

inline Nanoseconds MonotonicNow() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Nanoseconds{t.tv_sec} * kSecond + t.tv_nsec;
}

}  // namespace idloc
