#include "net/netlink_messages.h"

#include <linux/if_addr.h>

#include <cstring>

#include "unit/test.h"

namespace idloc::test {

namespace {

constexpr int kOwn = 7;
constexpr int kOther = 3;

// A message with its body and, where it is not 0, the interface that a route leads to.
struct Message {
  template <typename Body>
  Message(uint16_t type, const Body& body, int through = 0) {
    auto* header = reinterpret_cast<nlmsghdr*>(data);
    header->nlmsg_type = type;
    header->nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(sizeof body));
    std::memcpy(NLMSG_DATA(header), &body, sizeof body);
    if (through == 0) return;
    auto* attribute = reinterpret_cast<rtattr*>(data + NLMSG_ALIGN(header->nlmsg_len));
    attribute->rta_type = RTA_OIF;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(sizeof through));
    std::memcpy(RTA_DATA(attribute), &through, sizeof through);
    header->nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(header->nlmsg_len) + attribute->rta_len);
  }
  alignas(nlmsghdr) uint8_t data[128] = {};
};

Concern Of(const Message& message, int own_index = kOwn) {
  return ConcernOf(reinterpret_cast<const nlmsghdr*>(message.data), own_index);
}

Message Route(uint16_t type, uint8_t kind, int through, unsigned flags = 0) {
  rtmsg body{};
  body.rtm_type = kind;
  body.rtm_flags = flags;
  return {type, body, through};
}

}  // namespace

TEST("every change of our interface and its addresses is ours, of others theirs, and without ours all are") {
  for (int index : {kOwn, kOther}) {
    ifinfomsg link{};
    link.ifi_index = index;
    ifaddrmsg address{};
    address.ifa_index = static_cast<uint32_t>(index);
    Concern expected = index == kOwn ? Concern::kOwn : Concern::kOthers;
    for (const Message& message : {Message(RTM_NEWLINK, link), Message(RTM_DELLINK, link),
                                   Message(RTM_NEWADDR, address), Message(RTM_DELADDR, address)}) {
      CHECK(Of(message) == expected);
      CHECK(Of(message, 0) == Concern::kOthers);
    }
  }
}

TEST(
    "of routes through our interface and unreachable ones only the loss is ours, and what comes is "
    "nobody's") {
  for (const auto& [kind, through] :
       {std::pair{RTN_UNICAST, kOwn}, {RTN_UNREACHABLE, 0}, {RTN_UNREACHABLE, 1}}) {
    CHECK(Of(Route(RTM_DELROUTE, static_cast<uint8_t>(kind), through)) == Concern::kOwn);
    CHECK(Of(Route(RTM_NEWROUTE, static_cast<uint8_t>(kind), through)) == Concern::kNobody);
  }
  // Without an interface of ours there is no guard either.
  CHECK(Of(Route(RTM_DELROUTE, RTN_UNREACHABLE, 0), 0) == Concern::kNobody);
  for (uint16_t type : {uint16_t{RTM_NEWROUTE}, uint16_t{RTM_DELROUTE}}) {
    CHECK(Of(Route(type, RTN_UNICAST, kOther)) == Concern::kOthers);
    CHECK(Of(Route(type, RTN_UNICAST, kOther, RTM_F_CLONED)) == Concern::kNobody);
    CHECK(Of(Route(type, RTN_UNICAST, kOwn, RTM_F_CLONED)) == Concern::kNobody);
  }
}

}  // namespace idloc::test
