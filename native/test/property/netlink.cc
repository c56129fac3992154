#include <linux/if_addr.h>

#include <cstring>
#include <memory>

#include "net/netlink_messages.h"
#include "net/uplinks.h"
#include "property/properties.h"
#include "support/check.h"

namespace idloc::test {

void ReadsNetlink(Source& source) {
  Bytes data = source.Rest();
  auto exact = std::make_unique<uint8_t[]>(data.size());
  std::copy(data.begin(), data.end(), exact.get());
  NetlinkMessages messages(exact.get(), data.size());
  Uplinks uplinks;
  size_t count = 0;
  while (const nlmsghdr* message = messages.Next()) {
    CHECK(++count <= data.size() / sizeof(nlmsghdr));
    auto link = ParseLinkMessage(message);
    auto address = ParseAddressMessage(message);
    CHECK(!link.has_value() || (message->nlmsg_type == (link->gone ? RTM_DELLINK : RTM_NEWLINK) &&
                                link->name.size() < data.size() && link->kind.size() < data.size()));
    CHECK(!address.has_value() || message->nlmsg_type == (address->gone ? RTM_DELADDR : RTM_NEWADDR));
    if (link.has_value()) {
      CHECK(ConcernOf(message, link->index ^ 1) == Concern::kOthers);
      CHECK(ConcernOf(message, link->index) == (link->index == 0 ? Concern::kOthers : Concern::kOwn));
    }
    if (address.has_value())
      CHECK((ConcernOf(message, address->index) == Concern::kOwn) == (address->index != 0));
    CHECK(ParseErrorMessage(message) >= 0);
    auto route = ParseRouteMessage(message);
    CHECK(!route.has_value() ||
          (message->nlmsg_type == (route->gone ? RTM_DELROUTE : RTM_NEWROUTE) && !route->hops.empty()));
    uplinks.Take(message);
    // Answers that are older than what was taken are answers all the same.
    if (message->nlmsg_flags % 2 == 0) uplinks.Update();
    for (const Uplink& uplink : uplinks.all()) {
      for (const IpAddress& local : uplink.addresses) {
        CHECK(uplinks.HasAddress(local) && uplinks.UplinkOf(local) != nullptr);
        uplinks.Reaches(local, route.has_value() ? route->destination.address : local);
      }
    }
  }
}

}  // namespace idloc::test
