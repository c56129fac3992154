#pragma once
// How the kernel schedules the data-plane thread and JavaScript's.
#include <sys/types.h>

#include <cstddef>

#include "base/clock.h"
#include "base/fd.h"

namespace idloc {

// JavaScript, and what is in no hurry at all, goes after the data plane and after the programs that wait for
// its packets: with much to do, it takes a tenth of a processor that others want. A short slice lets it
// answer soon when it has little. Threads begin with what their maker has.
void RelaxThisThread();

// When the data-plane thread is real-time: while JavaScript is busy, unless there is too little CPU for both.
class RealTimeRule {
 public:
  static constexpr Nanoseconds kWindow = 100 * kMillisecond;
  // Of a window: from what on JavaScript is busy, or kept waiting; and what the thread may take of a
  // processor.
  static constexpr double kBusy = 0.3;
  static constexpr double kMostUse = 0.9;

  bool IsDue(Nanoseconds now) const { return now - since_ >= kWindow; }
  // `used`: the CPU time of the thread; `wanted`: how long JavaScript's ran or waited for a processor.
  bool Decide(Nanoseconds now, Nanoseconds used, Nanoseconds wanted);

 private:
  Nanoseconds since_ = 0;
  Nanoseconds used_ = 0;
  Nanoseconds wanted_ = 0;
};

// Of the data-plane thread: before JavaScript and before the programs that wait for its packets, where the
// process may (CAP_SYS_NICE or RLIMIT_NICE), and soon after it wakes up.
//
// A thread that is always busy spoils more than its share: a processor that it runs on is never idle, so the
// kernel brings nobody there who waits for another one, whatever the priorities. Only a real-time thread
// finds its place at once (CAP_SYS_NICE or RLIMIT_RTPRIO).
class Schedule {
 public:
  // Of bulk, while real-time: who always comes first leaves the programs that make and take the packets no
  // time to work in pieces of any size. What is urgent ends a pause.
  static constexpr Nanoseconds kPauseAfterSent = 30'000;
  static constexpr Nanoseconds kPauseAfterReceived = 75'000;
  static constexpr size_t kMuch = 32 * 1024;  // more than acknowledgements

  // On JavaScript's thread, before the other begins.
  void WatchThisThread();
  // On the data-plane thread, from here on.
  void Begin();
  void Run(Nanoseconds now);
  bool real_time() const { return real_time_; }

 private:
  RealTimeRule rule_;
  Fd javascript_times_;
  pid_t javascript_ = 0;
  bool real_time_ = false;
};

}  // namespace idloc
