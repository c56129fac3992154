#include "data_plane/memory_trimmer.h"

#include <malloc.h>
#include <sys/prctl.h>

#include "data_plane/schedule.h"

namespace idloc {

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
  at_ = again_ ? now + kAgain : kNever;
  again_ = false;
  if (thread_.joinable()) thread_.join();
  done_.store(false, std::memory_order_relaxed);
  thread_ = std::thread([this] {
    prctl(PR_SET_NAME, "idloc-trim");
    RelaxThisThread();
    malloc_trim(0);
    done_.store(true, std::memory_order_release);
  });
}

}  // namespace idloc
