#pragma once
// What must hold, in unit tests and fuzz targets alike: the first violation ends the process, so that
// libFuzzer keeps the input and a test run keeps the state for a debugger.
namespace idloc::test {

// Called before the process ends, to say what was under way (the title of a test, its seed).
extern void (*on_failure)();

[[noreturn]] void Fail(const char* file, int line, const char* expression);

}  // namespace idloc::test

#define CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::idloc::test::Fail(__FILE__, __LINE__, #expression))
