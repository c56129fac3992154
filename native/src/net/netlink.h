#pragma once
// Addresses, interfaces and routes over rtnetlink. Each call opens its own socket and is done when it
// returns.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/address.h"
#include "net/netlink_messages.h"

namespace idloc {

struct InterfaceAddress {
  std::string interface_name;
  IpAddress address;
  int prefix_length;
  bool usable;      // interface up and running; address not tentative
  bool deprecated;  // RFC 4862 s5.5.4: for what uses it already, not for anything new
  bool loopback;
  std::string kind;                     // of the interface: "bridge", "veth", "tun", ...; empty: hardware
  std::vector<std::string> port_kinds;  // of the ports of a bridge or bond
};

constexpr uint32_t kMainTable = RT_TABLE_MAIN;

struct RouteChange {
  Prefix destination;
  std::string interface_name;  // empty: unreachable
  uint32_t metric;
  uint32_t table = kMainTable;
};

// Packets of this source are looked up in a table of their own first.
struct RuleChange {
  Prefix source;
  uint32_t table;
  uint32_t priority;
};

Error ListAddresses(std::vector<InterfaceAddress>* out);
struct InterfaceSettings {
  uint32_t mtu;
  uint32_t tx_queue_length;   // packets
  uint32_t gso_max_segments;  // packets in a super-packet
};
Error ConfigureInterface(const std::string& name, const InterfaceSettings& settings,
                         const std::vector<Prefix>& addresses);
struct InterfaceState {
  bool up;
  uint32_t mtu;
};
// Nothing in `out`: there is no such interface.
Error GetInterface(const std::string& name, std::optional<InterfaceState>* out);
Error SetRoute(const RouteChange& route);
// `added`: false when it is there already, as it is. One through an interface is as the kernel makes it for
// the prefix of an address.
Error AddRoute(const RouteChange& route, bool* added);
Error DeleteRoute(const RouteChange& route);
// `added`: false when it is there already.
Error AddRule(const RuleChange& rule, bool* added);
// One that is not there is no error.
Error DeleteRule(const RuleChange& rule);
// All links, then all addresses, then all routes, as messages that are borrowed during each call.
Error DumpNetwork(const std::function<void(const nlmsghdr*)>& on_message);
// The source address that the kernel would use; nothing without a route.
std::optional<IpAddress> SourceFor(const IpAddress& remote);

}  // namespace idloc
