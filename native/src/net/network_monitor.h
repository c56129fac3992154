#pragma once
// Tells that addresses, links or routes of the host changed (rtnetlink groups), and whether they are this
// program's own. What changed is asked for by others.
#include "base/error.h"
#include "base/fd.h"

namespace idloc {

class NetworkMonitor {
 public:
  Error Open();
  int fd() const { return fd_.get(); }
  struct Changes {
    bool own = false;
    bool others = false;
  };
  // Reads what has arrived. `own_index`: of the interface of this program; 0: it has none.
  Changes Read(int own_index);

 private:
  Fd fd_;
};

}  // namespace idloc
