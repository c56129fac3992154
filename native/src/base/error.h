#pragma once
// What a failed set-up tells JavaScript: becomes an IdlocError there.
#include <string>
#include <utility>

namespace idloc {

struct Error {
  // Empty: no error. Otherwise a stable name for programs, such as `port_in_use` or an errno's name.
  std::string code;
  // One line: what, why, what to do.
  std::string message;

  bool failed() const { return !code.empty(); }
};

}  // namespace idloc
