#include "net/network_monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace idloc {

namespace {

// Whether the message is about an interface other than ours, as far as it says so.
bool Concerns(const nlmsghdr* message, int own_index) {
  switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return static_cast<const ifinfomsg*>(NLMSG_DATA(message))->ifi_index != own_index;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return static_cast<int>(static_cast<const ifaddrmsg*>(NLMSG_DATA(message))->ifa_index) != own_index;
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      auto* route = static_cast<const rtmsg*>(NLMSG_DATA(message));
      // Cached routes are no change; unreachable ones are set by this program.
      if ((route->rtm_flags & RTM_F_CLONED) != 0 || route->rtm_type == RTN_UNREACHABLE) return false;
      int length = static_cast<int>(RTM_PAYLOAD(message));
      for (auto* a = RTM_RTA(route); RTA_OK(a, length); a = RTA_NEXT(a, length)) {
        if (a->rta_type != RTA_OIF) continue;
        int index;
        std::memcpy(&index, RTA_DATA(a), sizeof index);
        if (index == own_index) return false;
      }
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

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
    auto left = static_cast<unsigned>(received);
    for (auto* m = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
      changed = Concerns(m, own_index) || changed;
    }
  }
}

}  // namespace idloc
