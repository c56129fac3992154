#include "data_plane/schedule.h"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "unit/test.h"

namespace idloc::test {

TEST("the thread is real-time while JavaScript is busy and both find room") {
  constexpr Nanoseconds kWindow = RealTimeRule::kWindow;
  RealTimeRule rule;
  Nanoseconds now = kSecond;
  Nanoseconds used = 0;
  Nanoseconds wanted = 0;
  auto step = [&](double own, double javascript, Nanoseconds elapsed) {
    CHECK(!rule.IsDue(now + kWindow - 1));
    now += elapsed;
    CHECK(rule.IsDue(now));
    used += static_cast<Nanoseconds>(own * static_cast<double>(elapsed));
    wanted += static_cast<Nanoseconds>(javascript * static_cast<double>(elapsed));
    return rule.Decide(now, used, wanted);
  };
  rule.Decide(now, used, wanted);
  CHECK(!step(0.5, 0, kWindow));
  CHECK(!step(0.5, 0.2, kWindow));
  CHECK(step(0.5, 0.4, kWindow));
  CHECK(step(0.8, 1, kWindow));
  CHECK(!step(0.95, 1, kWindow));
  CHECK(step(0.8, 1, kWindow));
  // After a long rest, what JavaScript did before it counts for little.
  CHECK(!step(0, 0.01, 100 * kWindow));
}

TEST("the kernel follows: real-time while another thread is busy, and fair again after it") {
  std::atomic<bool> watched{false};
  std::atomic<bool> busy{true};
  std::promise<void> stop;
  Schedule schedule;
  std::thread javascript([&] {
    schedule.WatchThisThread();
    watched = true;
    while (busy) {
    }
    stop.get_future().wait();
  });
  while (!watched) std::this_thread::yield();
  bool may = false;
  std::thread data([&] {
    sched_param first{};
    first.sched_priority = 1;
    may = sched_setscheduler(0, SCHED_RR, &first) == 0;
    schedule.Begin();
    CHECK(sched_getscheduler(0) == SCHED_OTHER);
    auto wait = [&] {
      std::this_thread::sleep_for(std::chrono::nanoseconds(RealTimeRule::kWindow + kMillisecond));
      schedule.Run(MonotonicNow());
    };
    wait();  // the first window began with the machine
    wait();
    CHECK(schedule.real_time() == may);
    CHECK(sched_getscheduler(0) == (may ? SCHED_RR : SCHED_OTHER));
    busy = false;
    wait();
    wait();
    CHECK(!schedule.real_time());
    CHECK(sched_getscheduler(0) == SCHED_OTHER);
  });
  data.join();
  stop.set_value();
  javascript.join();
}

}  // namespace idloc::test
