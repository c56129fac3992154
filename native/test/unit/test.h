#pragma once
// A test registers itself by being defined; unit/main.cc runs them all and writes TAP.
#include <cstdint>
#include <string>

#include "support/check.h"
#include "support/source.h"

namespace idloc::test {

using TestFunction = void (*)();
using Property = void (*)(Source& source);

// The test cannot run here: says so instead of `ok`. Return after it.
void Skip(const std::string& why);

struct Registration {
  Registration(const char* title, TestFunction run);
  // Runs with as many seeds as `rounds` says, each counted up from the first one (IDLOC_SEED, else the time).
  Registration(const char* title, Property property, int rounds);
};

}  // namespace idloc::test

#define IDLOC_JOIN_(a, b) a##b
#define IDLOC_JOIN(a, b) IDLOC_JOIN_(a, b)
// TEST("situation and outcome") { ... }
#define TEST(title)                                                                                        \
  static void IDLOC_JOIN(Test, __LINE__)();                                                                \
  static const ::idloc::test::Registration IDLOC_JOIN(registration, __LINE__)(title,                       \
                                                                              IDLOC_JOIN(Test, __LINE__)); \
  static void IDLOC_JOIN(Test, __LINE__)()
// PROPERTY("situation and outcome", Function, rounds)
#define PROPERTY(title, function, rounds) \
  static const ::idloc::test::Registration IDLOC_JOIN(registration, __LINE__)(title, function, rounds)
