#include "net/netlink.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <unordered_map>

#include "base/fd.h"
#include "net/netlink_messages.h"

namespace idloc {

namespace {

// A request grows attribute by attribute.
class Request {
 public:
  Request(uint16_t type, uint16_t flags, const void* body, size_t length) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    header()->nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(length));
    std::memcpy(NLMSG_DATA(header()), body, length);
  }
  template <typename T>
  void Add(uint16_t type, const T& value) {
    Add(type, &value, sizeof value);
  }
  void Add(uint16_t type, const void* data, size_t length) {
    auto* attribute = reinterpret_cast<rtattr*>(buffer_ + NLMSG_ALIGN(header()->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(length));
    std::memcpy(RTA_DATA(attribute), data, length);
    header()->nlmsg_len =
        static_cast<uint32_t>(NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(attribute->rta_len));
  }
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_); }

 private:
  alignas(nlmsghdr) uint8_t buffer_[512] = {};
};

using OnMessage = std::function<void(const nlmsghdr*)>;

// 0 or an errno. Messages of a dump go to `on_message`.
int Execute(Request& request, const OnMessage& on_message) {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return errno;
  if (send(fd.get(), request.header(), request.header()->nlmsg_len, 0) < 0) return errno;
  alignas(nlmsghdr) static thread_local char buffer[64 * 1024];
  for (;;) {
    ssize_t received = recv(fd.get(), buffer, sizeof buffer, 0);
    if (received < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    NetlinkMessages messages(buffer, static_cast<size_t>(received));
    while (const nlmsghdr* m = messages.Next()) {
      if (m->nlmsg_type == NLMSG_DONE) return 0;
      if (m->nlmsg_type == NLMSG_ERROR) return ParseErrorMessage(m);
      on_message(m);
    }
  }
}

int Execute(Request& request) {
  return Execute(request, [](const nlmsghdr*) {});
}

Error Failed(const std::string& what, int number) {
  const char* name = strerrorname_np(number);
  const char* advice = number == EPERM || number == EACCES ? "run as root or with CAP_NET_ADMIN"
                       : number == ENODEV                  ? "check the interface's name"
                                                           : "see `ip address` and `ip route`";
  return {name == nullptr ? "EUNKNOWN" : name, what + ": " + std::strerror(number) + "; " + advice};
}

uint8_t Family(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }
const uint8_t* Bytes(const IpAddress& address) { return address.bytes.data() + (address.is_v4() ? 12 : 0); }
size_t Size(const IpAddress& address) { return address.is_v4() ? 4 : 16; }

std::string ToText(const Prefix& prefix) {
  return prefix.address.ToString() + "/" + std::to_string(prefix.length);
}

struct Interface {
  std::string name;
  unsigned flags;
  std::string kind;
  int master;
};

int ListInterfaces(std::unordered_map<int, Interface>* out) {
  ifinfomsg body{};
  Request request(RTM_GETLINK, NLM_F_DUMP, &body, sizeof body);
  return Execute(request, [out](const nlmsghdr* m) {
    auto link = ParseLinkMessage(m);
    if (link.has_value()) (*out)[link->index] = {link->name, link->flags, link->kind, link->master};
  });
}

int ChangeRoute(const RouteChange& route, uint16_t type, uint16_t flags) {
  rtmsg body{};
  body.rtm_family = Family(route.destination.address);
  body.rtm_dst_len = static_cast<uint8_t>(route.destination.length);
  // The field has one byte: the attribute counts.
  body.rtm_table = route.table == kMainTable ? RT_TABLE_MAIN : RT_TABLE_UNSPEC;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  uint32_t index = 0;
  if (route.interface_name.empty()) {
    body.rtm_type = RTN_UNREACHABLE;
  } else {
    index = if_nametoindex(route.interface_name.c_str());
    if (index == 0) return ENODEV;
    if (body.rtm_family == AF_INET) body.rtm_scope = RT_SCOPE_LINK;
  }
  Request request(type, static_cast<uint16_t>(NLM_F_ACK | flags), &body, sizeof body);
  request.Add(RTA_DST, Bytes(route.destination.address), Size(route.destination.address));
  request.Add(RTA_PRIORITY, route.metric);
  request.Add(RTA_TABLE, route.table);
  if (index != 0) request.Add(RTA_OIF, index);
  return Execute(request);
}

int ChangeRule(const RuleChange& rule, uint16_t type, uint16_t flags) {
  fib_rule_hdr body{};
  body.family = Family(rule.source.address);
  body.src_len = static_cast<uint8_t>(rule.source.length);
  body.table = RT_TABLE_UNSPEC;
  body.action = FR_ACT_TO_TBL;
  Request request(type, static_cast<uint16_t>(NLM_F_ACK | flags), &body, sizeof body);
  request.Add(FRA_SRC, Bytes(rule.source.address), Size(rule.source.address));
  request.Add(FRA_TABLE, rule.table);
  request.Add(FRA_PRIORITY, rule.priority);
  return Execute(request);
}

Error ToError(int number, const char* what, const RuleChange& rule) {
  if (number == 0) return {};
  return Failed(std::string(what) + " for " + ToText(rule.source), number);
}

Error ToError(int number, const char* what, const RouteChange& route) {
  if (number == 0) return {};
  std::string text = std::string(what) + " " + ToText(route.destination);
  return Failed(route.interface_name.empty() ? text : text + " through " + route.interface_name, number);
}

}  // namespace

Error ListAddresses(std::vector<InterfaceAddress>* out) {
  std::unordered_map<int, Interface> interfaces;
  int error = ListInterfaces(&interfaces);
  if (error == 0) {
    std::unordered_map<int, std::vector<std::string>> port_kinds;
    for (const auto& [index, interface] : interfaces) {
      if (interface.master != 0) port_kinds[interface.master].push_back(interface.kind);
    }
    ifaddrmsg body{};
    Request request(RTM_GETADDR, NLM_F_DUMP, &body, sizeof body);
    error = Execute(request, [&](const nlmsghdr* m) {
      auto entry = ParseAddressMessage(m);
      auto found = entry.has_value() ? interfaces.find(entry->index) : interfaces.end();
      if (found == interfaces.end()) return;
      constexpr uint32_t kUnusable = IFA_F_TENTATIVE | IFA_F_DADFAILED;
      const Interface& on = found->second;
      bool optimistic = (entry->flags & IFA_F_OPTIMISTIC) != 0;
      uint32_t bad = entry->flags & kUnusable & ~(optimistic ? uint32_t{IFA_F_TENTATIVE} : 0);
      out->push_back({on.name, entry->address, entry->prefix_length,
                      (on.flags & IFF_UP) != 0 && (on.flags & IFF_RUNNING) != 0 && bad == 0,
                      (entry->flags & IFA_F_DEPRECATED) != 0, (on.flags & IFF_LOOPBACK) != 0, on.kind,
                      port_kinds[entry->index]});
    });
  }
  return error == 0 ? Error{} : Failed("cannot list addresses", error);
}

Error ConfigureInterface(const std::string& name, const InterfaceSettings& settings,
                         const std::vector<Prefix>& addresses) {
  unsigned index = if_nametoindex(name.c_str());
  if (index == 0) return Failed("cannot configure the interface " + name, ENODEV);
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(index);
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  Request link(RTM_NEWLINK, NLM_F_ACK, &body, sizeof body);
  link.Add(IFLA_MTU, settings.mtu);
  link.Add(IFLA_TXQLEN, settings.tx_queue_length);
  link.Add(IFLA_GSO_MAX_SEGS, settings.gso_max_segments);
  int error = Execute(link);
  if (error != 0) return Failed("cannot bring up the interface " + name, error);
  for (const Prefix& prefix : addresses) {
    ifaddrmsg entry{};
    entry.ifa_family = Family(prefix.address);
    entry.ifa_prefixlen = static_cast<uint8_t>(prefix.length);
    entry.ifa_scope = RT_SCOPE_UNIVERSE;
    entry.ifa_index = index;
    Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &entry, sizeof entry);
    request.Add(IFA_LOCAL, Bytes(prefix.address), Size(prefix.address));
    request.Add(IFA_ADDRESS, Bytes(prefix.address), Size(prefix.address));
    // The address proves itself (a HIT) or was claimed in the overlay: detection on the TUN would only delay
    // it.
    if (!prefix.address.is_v4()) request.Add(IFA_FLAGS, uint32_t{IFA_F_NODAD});
    error = Execute(request);
    if (error != 0) return Failed("cannot give " + ToText(prefix) + " to the interface " + name, error);
  }
  return {};
}

Error GetInterface(const std::string& name, std::optional<InterfaceState>* out) {
  out->reset();
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(if_nametoindex(name.c_str()));
  if (body.ifi_index == 0) return {};
  Request request(RTM_GETLINK, NLM_F_ACK, &body, sizeof body);
  int error = Execute(request, [out](const nlmsghdr* m) {
    auto link = ParseLinkMessage(m);
    if (link.has_value()) *out = InterfaceState{(link->flags & IFF_UP) != 0, link->mtu};
  });
  // Deleted meanwhile.
  return error == 0 || error == ENODEV ? Error{} : Failed("cannot look at the interface " + name, error);
}

Error SetRoute(const RouteChange& route) {
  int error = ChangeRoute(route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  return ToError(error, "cannot set the route", route);
}

Error AddRoute(const RouteChange& route, bool* added) {
  int error = ChangeRoute(route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  *added = error == 0;
  return ToError(error == EEXIST ? 0 : error, "cannot add the route", route);
}

Error DeleteRoute(const RouteChange& route) {
  return ToError(ChangeRoute(route, RTM_DELROUTE, 0), "cannot delete the route", route);
}

Error AddRule(const RuleChange& rule, bool* added) {
  int error = ChangeRule(rule, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
  *added = error == 0;
  return ToError(error == EEXIST ? 0 : error, "cannot add the routing rule", rule);
}

Error DeleteRule(const RuleChange& rule) {
  int error = ChangeRule(rule, RTM_DELRULE, 0);
  return ToError(error == ENOENT ? 0 : error, "cannot delete the routing rule", rule);
}

Error DumpNetwork(const std::function<void(const nlmsghdr*)>& on_message) {
  ifinfomsg links{};
  ifaddrmsg addresses{};
  rtmsg routes4{};
  routes4.rtm_family = AF_INET;
  rtmsg routes6{};
  routes6.rtm_family = AF_INET6;
  Request requests[] = {{RTM_GETLINK, NLM_F_DUMP, &links, sizeof links},
                        {RTM_GETADDR, NLM_F_DUMP, &addresses, sizeof addresses},
                        {RTM_GETROUTE, NLM_F_DUMP, &routes4, sizeof routes4},
                        {RTM_GETROUTE, NLM_F_DUMP, &routes6, sizeof routes6}};
  for (Request& request : requests) {
    int error = Execute(request, on_message);
    // Without IPv6 the kernel knows no routes of it.
    if (error != 0 && error != EAFNOSUPPORT && error != EOPNOTSUPP)
      return Failed("cannot list interfaces, addresses and routes", error);
  }
  return {};
}

std::optional<IpAddress> SourceFor(const IpAddress& remote) {
  bool v4 = remote.is_v4();
  Fd fd(socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return std::nullopt;
  sockaddr_storage name{};
  socklen_t length = v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  auto* name4 = reinterpret_cast<sockaddr_in*>(&name);
  auto* name6 = reinterpret_cast<sockaddr_in6*>(&name);
  // Connecting a datagram socket sends nothing; any port will do.
  if (v4) {
    name4->sin_family = AF_INET;
    name4->sin_port = htons(9);
    std::memcpy(&name4->sin_addr, Bytes(remote), 4);
  } else {
    name6->sin6_family = AF_INET6;
    name6->sin6_port = htons(9);
    std::memcpy(&name6->sin6_addr, Bytes(remote), 16);
  }
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&name), length) != 0) return std::nullopt;
  length = sizeof name;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length) != 0) return std::nullopt;
  return v4 ? IpAddress::FromV4(reinterpret_cast<const uint8_t*>(&name4->sin_addr))
            : IpAddress::FromV6(name6->sin6_addr.s6_addr);
}

}  // namespace idloc
