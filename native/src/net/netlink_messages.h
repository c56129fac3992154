#pragma once
// What rtnetlink's messages say, apart from the sockets they come through. Every length is checked: a message
// that is too short for what it claims is no message.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"

namespace idloc {

// The messages of one datagram, one after the other. `data` is borrowed and aligned as nlmsghdr is.
class NetlinkMessages {
 public:
  NetlinkMessages(const void* data, size_t length)
      : next_(static_cast<const uint8_t*>(data)), left_(length) {}
  // nullptr: no whole message is left.
  const nlmsghdr* Next();

 private:
  const uint8_t* next_;
  size_t left_;
};

// RTM_NEWLINK, RTM_DELLINK; not what bridges say of their ports (AF_BRIDGE).
struct LinkMessage {
  bool gone;
  int index;
  unsigned flags;    // IFF_*
  std::string name;  // empty: not told
  std::string kind;  // "bridge", "veth", "tun", ...; empty: hardware
  int master;        // the bridge or bond that it is a port of; 0: none
  uint32_t mtu;      // 0: not told
};
std::optional<LinkMessage> ParseLinkMessage(const nlmsghdr* message);

// RTM_NEWADDR, RTM_DELADDR of either family
struct AddressMessage {
  bool gone;
  int index;
  IpAddress address;  // the own one, also on a point-to-point interface
  int prefix_length;
  uint32_t flags;  // IFA_F_*
};
std::optional<AddressMessage> ParseAddressMessage(const nlmsghdr* message);

struct Prefix {
  IpAddress address;
  int length;  // of the family's own address, not of the mapped form

  bool operator==(const Prefix& other) const { return length == other.length && address == other.address; }
  bool Contains(const IpAddress& other) const;
};

// RTM_NEWROUTE, RTM_DELROUTE of either family: where packets of the main table go out.
struct RouteMessage {
  struct Hop {
    int index;          // of the interface
    IpAddress gateway;  // unset: on the link
    bool operator==(const Hop&) const = default;
  };
  bool gone;
  bool replaces;  // the one to the same destination with the same metric
  Prefix destination;
  Prefix from;       // only packets of these sources (IPv6); length 0: all
  IpAddress source;  // what they are sent from; unset: not told
  uint32_t metric;
  std::vector<Hop> hops;
};
std::optional<RouteMessage> ParseRouteMessage(const nlmsghdr* message);

// NLMSG_ERROR: 0 or an errno.
int ParseErrorMessage(const nlmsghdr* message);

// Whom a change of links, addresses or routes is about, as far as it says so.
enum class Concern : uint8_t {
  kNobody,
  // Our interface; a route through it, or an unreachable one, that is gone.
  kOwn,
  kOthers
};
// `own_index`: of our interface; 0: we have none.
Concern ConcernOf(const nlmsghdr* message, int own_index);

}  // namespace idloc
