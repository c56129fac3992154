#include "data_plane/schedule.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace idloc {

namespace {

constexpr int kNice = -5;
constexpr int kBackgroundNice = 10;
// Linux 6.12: a thread that asks for shorter slices than others (3 ms) need not wait for the end of theirs
// when it wakes up. Older kernels take no notice.
constexpr uint64_t kSliceNanoseconds = 200'000;

// sched_setattr(2); the C library and the kernel's headers cannot be included together.
struct Attributes {
  uint32_t size = sizeof(Attributes);
  uint32_t policy = 0;  // SCHED_OTHER
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = kSliceNanoseconds;
  uint64_t deadline = 0;
  uint64_t period = 0;
};

bool Set(const Attributes& attributes) { return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0; }

}  // namespace

void HurryThisThread() {
  Attributes attributes;
  attributes.nice = kNice;
  if (Set(attributes)) return;
  attributes.nice = 0;
  Set(attributes);
}

void RelaxThisThread() {
  Attributes attributes;
  attributes.nice = std::max(kBackgroundNice, getpriority(PRIO_PROCESS, 0));
  Set(attributes);
}

}  // namespace idloc
