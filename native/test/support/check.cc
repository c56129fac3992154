#include "support/check.h"

#include <cstdio>
#include <cstdlib>

namespace idloc::test {

void (*on_failure)() = nullptr;

void Fail(const char* file, int line, const char* expression) {
  if (on_failure != nullptr) on_failure();
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, expression);
  std::fflush(nullptr);
  std::abort();
}

}  // namespace idloc::test
