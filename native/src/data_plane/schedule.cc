#include "data_plane/schedule.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

namespace idloc {

namespace {

constexpr int kNice = -5;
constexpr int kBackgroundNice = 10;
// Linux 6.12: a thread that asks for shorter slices than others (3 ms) need not wait for the end of theirs
// when it wakes up. Older kernels take no notice.
constexpr uint64_t kShortSlice = 200'000;
constexpr uint64_t kOrdinarySlice = 0;

// sched_setattr(2); the C library and the kernel's headers cannot be included together.
struct Attributes {
  uint32_t size = sizeof(Attributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};

constexpr pid_t kThisThread = 0;

bool Set(pid_t thread, const Attributes& attributes) {
  return syscall(SYS_sched_setattr, thread, &attributes, 0) == 0;
}

bool SetFair(pid_t thread, int nice, uint64_t slice) {
  Attributes attributes;
  attributes.nice = nice;
  attributes.runtime = slice;
  return Set(thread, attributes);
}

bool SetRealTime(pid_t thread) {
  Attributes attributes;
  attributes.policy = SCHED_RR;
  attributes.priority = 1;
  return Set(thread, attributes);
}

Nanoseconds CpuTime() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return Nanoseconds{t.tv_sec} * kSecond + t.tv_nsec;
}

}  // namespace

void RelaxThisThread() {
  SetFair(kThisThread, std::max(kBackgroundNice, getpriority(PRIO_PROCESS, kThisThread)), kShortSlice);
}

bool RealTimeRule::Decide(Nanoseconds now, Nanoseconds used, Nanoseconds wanted) {
  auto elapsed = static_cast<double>(now - since_);
  bool busy = static_cast<double>(wanted - wanted_) > kBusy * elapsed;
  bool leaves_some = static_cast<double>(used - used_) < kMostUse * elapsed;
  since_ = now;
  used_ = used;
  wanted_ = wanted;
  return busy && leaves_some;
}

void Schedule::WatchThisThread() {
  // Not there, or not counted (CONFIG_SCHED_INFO): never real-time.
  javascript_times_ = Fd(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
  javascript_ = static_cast<pid_t>(syscall(SYS_gettid));
}

void Schedule::Begin() {
  real_time_ = false;
  if (!SetFair(kThisThread, kNice, kShortSlice)) SetFair(kThisThread, 0, kShortSlice);
}

void Schedule::Run(Nanoseconds now) {
  if (!javascript_times_.valid() || !rule_.IsDue(now)) return;
  char text[64];
  ssize_t length = pread(javascript_times_.get(), text, sizeof text - 1, 0);
  text[std::max<ssize_t>(length, 0)] = 0;
  Nanoseconds ran;
  Nanoseconds waited;
  if (std::sscanf(text, "%" SCNd64 " %" SCNd64, &ran, &waited) != 2) return;
  bool wanted = rule_.Decide(now, CpuTime(), ran + waited);
  if (wanted == real_time_) return;
  if (!wanted) {
    Begin();
  } else if (!SetRealTime(kThisThread)) {
    // Nor will it be later.
    javascript_times_.Reset();
    return;
  }
  real_time_ = wanted;
  // With much to do, JavaScript gains nothing by short slices, and each of them interrupts someone.
  SetFair(javascript_, getpriority(PRIO_PROCESS, static_cast<id_t>(javascript_)),
          wanted ? kOrdinarySlice : kShortSlice);
}

}  // namespace idloc
