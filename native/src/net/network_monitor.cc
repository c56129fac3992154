#include "net/network_monitor.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "net/netlink_messages.h"

namespace idloc {

namespace {
constexpr int kReceiveBytes = 1024 * 1024;
}

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
  // Hundreds of messages come at once when containers start or a routing daemon does.
  int bytes = kReceiveBytes;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  fd_ = std::move(fd);
  return {};
}

NetworkMonitor::Changes NetworkMonitor::Read(int own_index,
                                             const std::function<void(const nlmsghdr*)>& on_message) {
  Changes changes;
  alignas(nlmsghdr) char buffer[16 * 1024];
  for (;;) {
    ssize_t received = recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (received < 0) {
      if (errno == ENOBUFS) {
        changes = {own_index != 0, true, true};
        continue;
      }
      return changes;
    }
    if (received == 0) return changes;
    NetlinkMessages messages(buffer, static_cast<size_t>(received));
    while (const nlmsghdr* m = messages.Next()) {
      on_message(m);
      Concern concern = ConcernOf(m, own_index);
      changes.own = changes.own || concern == Concern::kOwn;
      changes.others = changes.others || concern == Concern::kOthers;
    }
  }
}

}  // namespace idloc
