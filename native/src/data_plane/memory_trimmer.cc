#include "data_plane/memory_trimmer.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace idloc {

namespace {
// Threads begin with what their maker has, and that is the data plane's haste.
constexpr int kNice = 10;
}  // namespace

MemoryTrimmer::~MemoryTrimmer() {
  if (thread_.joinable()) thread_.join();
}

void MemoryTrimmer::Run(Nanoseconds now) {
  if (now < at_) return;
  if (!done_.load(std::memory_order_acquire)) {
    at_ = now + kDelay;
    return;
  }
  freed_ = 0;
  at_ = kNever;
  if (thread_.joinable()) thread_.join();
  done_.store(false, std::memory_order_relaxed);
  thread_ = std::thread([this] {
    prctl(PR_SET_NAME, "idloc-trim");
    setpriority(PRIO_PROCESS, 0, kNice);
    malloc_trim(0);
    done_.store(true, std::memory_order_release);
  });
}

}  // namespace idloc
