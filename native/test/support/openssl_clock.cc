#include "support/openssl_clock.h"

#include <sys/time.h>

namespace idloc::test {

namespace {

Nanoseconds openssl_now = 1'000'000'000 * kSecond;

}  // namespace

void AdvanceOpensslClock(Nanoseconds time) { openssl_now += time; }

}  // namespace idloc::test

// Found before libc's, by libssl and libcrypto too.
extern "C" int gettimeofday(timeval* now, void*) noexcept {
  using idloc::kSecond;
  now->tv_sec = idloc::test::openssl_now / kSecond;
  now->tv_usec = idloc::test::openssl_now % kSecond / 1000;
  return 0;
}
