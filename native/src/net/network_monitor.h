#pragma once
// Tells that addresses, links or routes of the host changed (rtnetlink groups), and whether they are this
// program's own. What changed is asked for by others.
#include <linux/netlink.h>

#include <functional>

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
    bool lost = false;  // some were lost: anything may have changed
  };
  // Reads what has arrived. `own_index`: of the interface of this program; 0: it has none. Messages are
  // borrowed during the call.
  Changes Read(int own_index, const std::function<void(const nlmsghdr*)>& on_message);

 private:
  Fd fd_;
};

}  // namespace idloc
