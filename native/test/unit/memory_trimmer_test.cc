#include "data_plane/memory_trimmer.h"

#include "unit/test.h"

namespace idloc::test {

TEST("memory is looked through some time after many handshakes, once more later, and not after a few") {
  MemoryTrimmer trimmer;
  Nanoseconds now = kSecond;
  for (size_t i = 1; i < MemoryTrimmer::kWorthwhile; i++) trimmer.HandshakeFreed(now);
  CHECK(trimmer.NextTime() == kNever);
  trimmer.HandshakeFreed(now);
  Nanoseconds due = now + MemoryTrimmer::kDelay;
  CHECK(trimmer.NextTime() == due);
  // Those that come meanwhile do not put it off.
  trimmer.HandshakeFreed(due - 1);
  trimmer.Run(due - 1);
  CHECK(trimmer.NextTime() == due);
  trimmer.Run(due);
  CHECK(trimmer.NextTime() == due + MemoryTrimmer::kAgain);
  // Again, also while the last time is not over: then it is put off.
  for (size_t i = 0; i < MemoryTrimmer::kWorthwhile; i++) trimmer.HandshakeFreed(due);
  Nanoseconds next = due + MemoryTrimmer::kDelay;
  CHECK(trimmer.NextTime() == next);
  trimmer.Run(next);
  while (trimmer.NextTime() == next + MemoryTrimmer::kDelay) trimmer.Run(next += MemoryTrimmer::kDelay);
  CHECK(trimmer.NextTime() == next + MemoryTrimmer::kAgain);
  next += MemoryTrimmer::kAgain;
  trimmer.Run(next);
  while (trimmer.NextTime() == next + MemoryTrimmer::kDelay) trimmer.Run(next += MemoryTrimmer::kDelay);
  CHECK(trimmer.NextTime() == kNever);
}

}  // namespace idloc::test
