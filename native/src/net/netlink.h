#pragma once
// Addresses, interfaces and routes over rtnetlink. Each call opens its own socket and is done when it
// returns.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/address.h"

namespace idloc {

struct InterfaceAddress {
  std::string interface_name;
  IpAddress address;
  int prefix_length;
  bool usable;  // interface up and running; address neither tentative nor deprecated
  bool loopback;
};

struct Prefix {
  IpAddress address;
  int length;  // of the family's own address, not of the mapped form
};

struct RouteChange {
  Prefix destination;
  std::string interface_name;  // empty: unreachable
  uint32_t metric;
};

Error ListAddresses(std::vector<InterfaceAddress>* out);
Error ConfigureInterface(const std::string& name, uint32_t mtu, uint32_t tx_queue_length,
                         const std::vector<Prefix>& addresses);
Error SetRoute(const RouteChange& route);
Error DeleteRoute(const RouteChange& route);
// The source address that the kernel would use; nothing without a route.
std::optional<IpAddress> SourceFor(const IpAddress& remote);

}  // namespace idloc
