// Runs every registered test and writes TAP. `unit_tests [PART OF A TITLE]`; IDLOC_SEED repeats the
// properties of a run.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "unit/test.h"

namespace idloc::test {

namespace {

struct Entry {
  const char* title;
  TestFunction run;
  Property property;
  int rounds;
};

std::vector<Entry>& All() {
  static std::vector<Entry> all;
  return all;
}

int number = 0;
const char* title = "";
uint64_t seed = 0;
bool seeded = false;
std::string skipped;

void SayWhatFailed() {
  std::printf("not ok %d - %s\n", number, title);
  if (seeded) std::printf("# IDLOC_SEED=%llu\n", static_cast<unsigned long long>(seed));
}

}  // namespace

void Skip(const std::string& why) { skipped = why; }

Registration::Registration(const char* test, TestFunction run) { All().push_back({test, run, nullptr, 0}); }
Registration::Registration(const char* test, Property property, int rounds) {
  All().push_back({test, nullptr, property, rounds});
}

}  // namespace idloc::test

int main(int count, char** arguments) {
  using namespace idloc::test;
  on_failure = SayWhatFailed;
  const char* given = std::getenv("IDLOC_SEED");
  uint64_t first =
      given != nullptr ? std::strtoull(given, nullptr, 10) : static_cast<uint64_t>(time(nullptr)) << 20;
  std::printf("TAP version 13\n# IDLOC_SEED=%llu\n", static_cast<unsigned long long>(first));
  for (const Entry& entry : All()) {
    if (count > 1 && std::strstr(entry.title, arguments[1]) == nullptr) continue;
    number++;
    title = entry.title;
    skipped.clear();
    seeded = entry.property != nullptr;
    if (seeded) {
      for (int round = 0; round < entry.rounds && skipped.empty(); round++) {
        seed = first + static_cast<uint64_t>(round);
        Source source(seed);
        entry.property(source);
      }
    } else {
      entry.run();
    }
    std::printf("ok %d - %s%s%s\n", number, title, skipped.empty() ? "" : " # SKIP ", skipped.c_str());
    std::fflush(stdout);
  }
  std::printf("1..%d\n", number);
  return number > 0 ? 0 : 1;
}
