// What the programs beside this share: they make the load of scripts/bench, and each says in JSON what it
// did.
#ifndef IDLOC_BENCH_TOOL_H_
#define IDLOC_BENCH_TOOL_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

inline constexpr int64_t kSecond = 1'000'000'000;  // ns
inline constexpr int64_t kMillisecond = 1'000'000;

[[noreturn]] inline void Fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

/** @returns of the monotonic clock, in ns */
inline int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

inline timespec ToTimespec(int64_t ns) { return {ns / kSecond, ns % kSecond}; }

inline void SleepUntil(int64_t at) {
  timespec time = ToTimespec(at);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

/** Sleeps end when they are due, not up to 50 us later. */
inline void PreciseTimers() { prctl(PR_SET_TIMERSLACK, 1UL); }

inline double Number(const char* text) {
  char* end = nullptr;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || value < 0) {
    fprintf(stderr, "not a number: %s\n", text);
    exit(2);
  }
  return value;
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/** Of an IPv4 or IPv6 literal; ends the program when it is neither. */
inline Address ParseAddress(const char* text, uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.length = sizeof *v4;
  } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof *v6;
  } else {
    fprintf(stderr, "not an address: %s\n", text);
    exit(2);
  }
  return address;
}

inline int UdpSocket(int family) {
  int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Fail("socket");
  return fd;
}

/** A dual-stack socket on every address. */
inline int BoundSocket(uint16_t port) {
  int fd = UdpSocket(AF_INET6);
  int off = 0;
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) Fail("IPV6_V6ONLY");
  Address any = ParseAddress("::", port);
  if (bind(fd, any.get(), any.length) != 0) Fail("bind");
  return fd;
}

/** Sends with this DSCP (RFC 2474) from now on, whichever family. */
inline void Mark(int fd, int family, int dscp) {
  int traffic_class = dscp << 2;
  if (setsockopt(fd, IPPROTO_IP, IP_TOS, &traffic_class, sizeof traffic_class) != 0) Fail("IP_TOS");
  if (family == AF_INET6 &&
      setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &traffic_class, sizeof traffic_class) != 0) {
    Fail("IPV6_TCLASS");
  }
}

/**
 * Says how many of a steady stream are due, after a sleep when it is too early. What was missed for want of
 * CPU is made up for within bounds only.
 */
class Pacer {
 public:
  /**
   * @param rate a second
   * @param longest_debt in ns: what is made up for is at most what was due in so much time
   */
  Pacer(double rate, int64_t longest_debt) : interval_(kSecond / rate), start_(Now()) {
    most_due_ = std::max(ToCount(longest_debt), kSmallestDebt);
    least_due_ = std::max<int64_t>(ToCount(kShortestSleep), 1);
  }

  /** From 0 to `most`. */
  int Due(int most, int64_t now) {
    const int64_t due = ToCount(now - start_) - done_;
    const int64_t wanted = std::min<int64_t>(least_due_, most);
    if (due < wanted) {
      SleepUntil(start_ + static_cast<int64_t>(static_cast<double>(done_ + wanted) * interval_));
      return 0;
    }
    if (due > most_due_) done_ += due - most_due_;
    return static_cast<int>(std::min<int64_t>(due, most));
  }

  void Done(int count) { done_ += count; }

 private:
  static constexpr int64_t kSmallestDebt = 4;
  // To sleep and wake up for each of 100,000 a second would cost more than to send them.
  static constexpr int64_t kShortestSleep = kMillisecond / 10;

  int64_t ToCount(int64_t time) const { return static_cast<int64_t>(static_cast<double>(time) / interval_); }

  double interval_;  // ns
  int64_t start_;
  int64_t most_due_;
  int64_t least_due_;
  int64_t done_ = 0;
};

}  // namespace bench

#endif  // IDLOC_BENCH_TOOL_H_
