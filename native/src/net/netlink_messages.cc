#include "net/netlink_messages.h"

#include <linux/if_addr.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace idloc {

namespace {

// The fixed part of a message; nullptr when it is shorter.
template <typename Body>
const Body* BodyOf(const nlmsghdr* message) {
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(Body))) return nullptr;
  return static_cast<const Body*>(NLMSG_DATA(message));
}

// The attributes behind a body, or nested in one. RTA_OK and RTA_NEXT count in int and step over the end by
// the padding of the last.
class Attributes {
 public:
  template <typename Body>
  Attributes(const nlmsghdr* message, const Body* body)
      : next_(reinterpret_cast<const uint8_t*>(body) + NLMSG_ALIGN(sizeof(Body))) {
    size_t before = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(Body)));
    left_ = message->nlmsg_len > before ? message->nlmsg_len - before : 0;
  }
  explicit Attributes(const rtattr* outer)
      : next_(static_cast<const uint8_t*>(RTA_DATA(outer))), left_(RTA_PAYLOAD(outer)) {}
  Attributes(const uint8_t* data, size_t length) : next_(data), left_(length) {}
  const rtattr* Next() {
    if (left_ < sizeof(rtattr)) return nullptr;
    auto* attribute = reinterpret_cast<const rtattr*>(next_);
    if (attribute->rta_len < sizeof(rtattr) || attribute->rta_len > left_) return nullptr;
    size_t step = std::min<size_t>(RTA_ALIGN(attribute->rta_len), left_);
    next_ += step;
    left_ -= step;
    return attribute;
  }

 private:
  const uint8_t* next_;
  size_t left_;
};

template <typename T>
bool Read(const rtattr* attribute, T* out) {
  if (RTA_PAYLOAD(attribute) < sizeof(T)) return false;
  std::memcpy(out, RTA_DATA(attribute), sizeof(T));
  return true;
}

std::string Text(const rtattr* attribute) {
  auto* text = static_cast<const char*>(RTA_DATA(attribute));
  return std::string(text, strnlen(text, RTA_PAYLOAD(attribute)));
}

}  // namespace

const nlmsghdr* NetlinkMessages::Next() {
  if (left_ < sizeof(nlmsghdr)) return nullptr;
  auto* message = reinterpret_cast<const nlmsghdr*>(next_);
  if (message->nlmsg_len < sizeof(nlmsghdr) || message->nlmsg_len > left_) return nullptr;
  size_t step = std::min<size_t>(NLMSG_ALIGN(size_t{message->nlmsg_len}), left_);
  next_ += step;
  left_ -= step;
  return message;
}

std::optional<LinkMessage> ParseLinkMessage(const nlmsghdr* message) {
  auto* info = BodyOf<ifinfomsg>(message);
  bool gone = message->nlmsg_type == RTM_DELLINK;
  if ((message->nlmsg_type != RTM_NEWLINK && !gone) || info == nullptr) return std::nullopt;
  if (info->ifi_family != AF_UNSPEC) return std::nullopt;
  LinkMessage out{gone, info->ifi_index, info->ifi_flags, {}, {}, 0, 0};
  Attributes attributes(message, info);
  while (const rtattr* a = attributes.Next()) {
    if (a->rta_type == IFLA_IFNAME) out.name = Text(a);
    if (a->rta_type == IFLA_MASTER) Read(a, &out.master);
    if (a->rta_type == IFLA_MTU) Read(a, &out.mtu);
    if ((a->rta_type & NLA_TYPE_MASK) != IFLA_LINKINFO) continue;
    Attributes nested(a);
    while (const rtattr* inner = nested.Next()) {
      if (inner->rta_type == IFLA_INFO_KIND) out.kind = Text(inner);
    }
  }
  return out;
}

std::optional<AddressMessage> ParseAddressMessage(const nlmsghdr* message) {
  auto* info = BodyOf<ifaddrmsg>(message);
  bool gone = message->nlmsg_type == RTM_DELADDR;
  if ((message->nlmsg_type != RTM_NEWADDR && !gone) || info == nullptr) return std::nullopt;
  if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6) return std::nullopt;
  AddressMessage out{gone, static_cast<int>(info->ifa_index), {}, info->ifa_prefixlen, info->ifa_flags};
  size_t size = info->ifa_family == AF_INET ? 4 : 16;
  const uint8_t* address = nullptr;
  const uint8_t* local = nullptr;
  Attributes attributes(message, info);
  while (const rtattr* a = attributes.Next()) {
    auto* data = static_cast<const uint8_t*>(RTA_DATA(a));
    if (a->rta_type == IFA_FLAGS) Read(a, &out.flags);
    if (RTA_PAYLOAD(a) < size) continue;
    if (a->rta_type == IFA_ADDRESS) address = data;
    // On a point-to-point interface IFA_ADDRESS is the other end.
    if (a->rta_type == IFA_LOCAL) local = data;
  }
  const uint8_t* own = local != nullptr ? local : address;
  if (own == nullptr) return std::nullopt;
  out.address = size == 4 ? IpAddress::FromV4(own) : IpAddress::FromV6(own);
  return out;
}

bool Prefix::Contains(const IpAddress& other) const {
  if (address.is_v4() != other.is_v4()) return false;
  int bits = length + (address.is_v4() ? 96 : 0);
  auto whole = static_cast<size_t>(bits / 8);
  if (std::memcmp(address.bytes.data(), other.bytes.data(), whole) != 0) return false;
  int rest = bits % 8;
  return rest == 0 || (address.bytes[whole] ^ other.bytes[whole]) >> (8 - rest) == 0;
}

std::optional<RouteMessage> ParseRouteMessage(const nlmsghdr* message) {
  auto* info = BodyOf<rtmsg>(message);
  bool gone = message->nlmsg_type == RTM_DELROUTE;
  if ((message->nlmsg_type != RTM_NEWROUTE && !gone) || info == nullptr) return std::nullopt;
  bool v4 = info->rtm_family == AF_INET;
  if (!v4 && info->rtm_family != AF_INET6) return std::nullopt;
  if (info->rtm_table != RT_TABLE_MAIN || info->rtm_type != RTN_UNICAST) return std::nullopt;
  const int longest = v4 ? 32 : 128;
  if ((info->rtm_flags & RTM_F_CLONED) != 0 || info->rtm_dst_len > longest || info->rtm_src_len > longest)
    return std::nullopt;
  IpAddress none;
  if (v4) none = IpAddress::FromV4(std::array<uint8_t, 4>{}.data());
  bool replaces = !gone && (message->nlmsg_flags & NLM_F_REPLACE) != 0;
  RouteMessage out{gone, replaces, {none, info->rtm_dst_len}, {none, info->rtm_src_len}, {}, 0, {}};
  auto read_address = [](const uint8_t* bytes, size_t length, bool four, IpAddress* to) {
    if (length < (four ? 4 : 16)) return;
    *to = four ? IpAddress::FromV4(bytes) : IpAddress::FromV6(bytes);
  };
  auto read_hop = [&](const rtattr* a, RouteMessage::Hop* hop) {
    auto* data = static_cast<const uint8_t*>(RTA_DATA(a));
    if (a->rta_type == RTA_GATEWAY) read_address(data, RTA_PAYLOAD(a), v4, &hop->gateway);
    // RFC 5549: a gateway of the other family.
    if (a->rta_type == RTA_VIA && RTA_PAYLOAD(a) >= sizeof(rtvia)) {
      uint16_t family;
      std::memcpy(&family, data, sizeof family);
      read_address(data + sizeof family, RTA_PAYLOAD(a) - sizeof family, family == AF_INET, &hop->gateway);
    }
  };
  RouteMessage::Hop single{0, {}};
  Attributes attributes(message, info);
  while (const rtattr* a = attributes.Next()) {
    auto* data = static_cast<const uint8_t*>(RTA_DATA(a));
    if (a->rta_type == RTA_DST) read_address(data, RTA_PAYLOAD(a), v4, &out.destination.address);
    if (a->rta_type == RTA_SRC) read_address(data, RTA_PAYLOAD(a), v4, &out.from.address);
    if (a->rta_type == RTA_PREFSRC) read_address(data, RTA_PAYLOAD(a), v4, &out.source);
    if (a->rta_type == RTA_PRIORITY) Read(a, &out.metric);
    if (a->rta_type == RTA_OIF) Read(a, &single.index);
    read_hop(a, &single);
    if (a->rta_type != RTA_MULTIPATH) continue;
    size_t left = RTA_PAYLOAD(a);
    while (left >= sizeof(rtnexthop)) {
      rtnexthop next;
      std::memcpy(&next, data, sizeof next);
      if (next.rtnh_len < sizeof next || next.rtnh_len > left) break;
      RouteMessage::Hop hop{next.rtnh_ifindex, {}};
      Attributes of_hop(data + sizeof next, next.rtnh_len - sizeof next);
      while (const rtattr* inner = of_hop.Next()) read_hop(inner, &hop);
      out.hops.push_back(hop);
      size_t step = std::min<size_t>(RTA_ALIGN(next.rtnh_len), left);
      data += step;
      left -= step;
    }
  }
  if (out.hops.empty() && single.index != 0) out.hops.push_back(single);
  if (out.hops.empty()) return std::nullopt;
  return out;
}

int ParseErrorMessage(const nlmsghdr* message) {
  auto* error = BodyOf<nlmsgerr>(message);
  // The kernel sends 0 or a negative errno.
  return error == nullptr || error->error > 0 || error->error == INT32_MIN ? EBADMSG : -error->error;
}

Concern ConcernOf(const nlmsghdr* message, int own_index) {
  auto of_interface = [own_index](int index) {
    return own_index != 0 && index == own_index ? Concern::kOwn : Concern::kOthers;
  };
  switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      auto* info = BodyOf<ifinfomsg>(message);
      return info == nullptr ? Concern::kNobody : of_interface(info->ifi_index);
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      auto* info = BodyOf<ifaddrmsg>(message);
      return info == nullptr ? Concern::kNobody : of_interface(static_cast<int>(info->ifa_index));
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      auto* route = BodyOf<rtmsg>(message);
      // Cached routes are no change.
      if (route == nullptr || (route->rtm_flags & RTM_F_CLONED) != 0) return Concern::kNobody;
      // Unreachable ones are set by this program; those that lead to our interface, by the kernel for it.
      bool ours = route->rtm_type == RTN_UNREACHABLE;
      Attributes attributes(message, route);
      while (const rtattr* a = attributes.Next()) {
        int index;
        ours = ours || (a->rta_type == RTA_OIF && Read(a, &index) && of_interface(index) == Concern::kOwn);
      }
      if (!ours) return Concern::kOthers;
      return message->nlmsg_type == RTM_DELROUTE && own_index != 0 ? Concern::kOwn : Concern::kNobody;
    }
    default:
      return Concern::kNobody;
  }
}

}  // namespace idloc
