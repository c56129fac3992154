#pragma once
// What rtnetlink's messages say, apart from the sockets they come through. Every length is checked: a message
// that is too short for what it claims is no message.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

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

// RTM_NEWLINK
struct LinkMessage {
  int index;
  unsigned flags;    // IFF_*
  std::string name;  // empty: not told
  std::string kind;  // "bridge", "veth", "tun", ...; empty: hardware
  int master;        // the bridge or bond that it is a port of; 0: none
  uint32_t mtu;      // 0: not told
};
std::optional<LinkMessage> ParseLinkMessage(const nlmsghdr* message);

// RTM_NEWADDR of either family
struct AddressMessage {
  int index;
  IpAddress address;  // the own one, also on a point-to-point interface
  int prefix_length;
  uint32_t flags;  // IFA_F_*
};
std::optional<AddressMessage> ParseAddressMessage(const nlmsghdr* message);

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
