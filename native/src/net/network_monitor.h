#pragma once
// Tells that addresses, links or routes of the host changed (rtnetlink groups). What changed is asked for by
// others.
#include "base/error.h"
#include "base/fd.h"

namespace idloc {

class NetworkMonitor {
 public:
  Error Open();
  int fd() const { return fd_.get(); }
  // Reads what has arrived; true when something other than interface `own_index` changed.
  bool Read(int own_index);

 private:
  Fd fd_;
};

}  // namespace idloc
