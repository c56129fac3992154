#include "net/network_monitor.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "net/netlink_messages.h"

namespace idloc {

Error NetworkMonitor::Open() {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl name{};
  name.nl_family = AF_NETLINK;
  name.nl_groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (!fd.valid() || bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
    return {"no_netlink", std::string("cannot watch the network (rtnetlink): ") + std::strerror(errno) +
                              "; allow AF_NETLINK sockets"};
  }
  fd_ = std::move(fd);
  return {};
}

bool NetworkMonitor::Read(int own_index) {
  bool changed = false;
  alignas(nlmsghdr) char buffer[16 * 1024];
  for (;;) {
    ssize_t received = recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (received < 0) {
      // ENOBUFS: messages were lost, so anything may have changed.
      if (errno == ENOBUFS) {
        changed = true;
        continue;
      }
      return changed;
    }
    if (received == 0) return changed;
    NetlinkMessages messages(buffer, static_cast<size_t>(received));
    while (const nlmsghdr* m = messages.Next()) changed = ConcernsOthers(m, own_index) || changed;
  }
}

}  // namespace idloc
