#include "net/uplinks.h"

#include <linux/if_addr.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "net/netlink.h"
#include "net/network_monitor.h"
#include "support/kernel.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

constexpr unsigned kUp = IFF_UP | IFF_RUNNING;
constexpr int kLo = 1;
constexpr int kEth = 2;
constexpr int kWlan = 3;
constexpr int kTun = 4;

IpAddress At(const std::string& text) {
  auto parsed = IpAddress::Parse(text);
  CHECK(parsed.has_value());
  return *parsed;
}

// A message as the kernel makes it, attribute by attribute.
class Message {
 public:
  template <typename Body>
  Message(uint16_t type, const Body& body, uint16_t flags = 0) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = flags;
    header()->nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(sizeof body));
    std::memcpy(NLMSG_DATA(header()), &body, sizeof body);
  }
  Message& Add(uint16_t type, const void* data, size_t length) {
    auto* attribute = reinterpret_cast<rtattr*>(data_ + NLMSG_ALIGN(header()->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(length));
    std::memcpy(RTA_DATA(attribute), data, length);
    header()->nlmsg_len =
        static_cast<uint32_t>(NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(attribute->rta_len));
    return *this;
  }
  template <typename T>
  Message& Add(uint16_t type, const T& value) {
    return Add(type, &value, sizeof value);
  }
  Message& Add(uint16_t type, const IpAddress& address) {
    return address.is_v4() ? Add(type, &address.bytes[12], 4) : Add(type, address.bytes.data(), 16);
  }
  const nlmsghdr* get() const { return reinterpret_cast<const nlmsghdr*>(data_); }

 private:
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(data_); }

  alignas(nlmsghdr) uint8_t data_[512] = {};
};

Message LinkIs(int index, const std::string& name, unsigned flags, uint16_t type = RTM_NEWLINK) {
  ifinfomsg body{};
  body.ifi_index = index;
  body.ifi_flags = flags;
  Message out(type, body);
  return out.Add(IFLA_IFNAME, name.c_str(), name.size() + 1);
}

Message AddressIs(int index, const std::string& address, uint16_t type = RTM_NEWADDR, uint8_t flags = 0) {
  ifaddrmsg body{};
  body.ifa_index = static_cast<uint32_t>(index);
  body.ifa_family = At(address).is_v4() ? AF_INET : AF_INET6;
  body.ifa_prefixlen = 24;
  body.ifa_flags = flags;
  return Message(type, body).Add(IFA_ADDRESS, At(address));
}

struct RouteSpec {
  int index;
  std::string destination = "0.0.0.0";
  uint8_t length = 0;
  uint32_t metric = 100;
  std::string gateway = {};
  std::string source = {};
  uint8_t table = RT_TABLE_MAIN;
};

Message RouteIs(const RouteSpec& spec, uint16_t type = RTM_NEWROUTE, uint16_t flags = 0) {
  rtmsg body{};
  body.rtm_family = At(spec.destination).is_v4() ? AF_INET : AF_INET6;
  body.rtm_dst_len = spec.length;
  body.rtm_table = spec.table;
  body.rtm_type = RTN_UNICAST;
  Message out(type, body, flags);
  if (spec.length > 0) out.Add(RTA_DST, At(spec.destination));
  out.Add(RTA_OIF, spec.index).Add(RTA_PRIORITY, spec.metric);
  if (!spec.gateway.empty()) out.Add(RTA_GATEWAY, At(spec.gateway));
  if (!spec.source.empty()) out.Add(RTA_PREFSRC, At(spec.source));
  return out;
}

bool Tell(Uplinks& uplinks, std::initializer_list<Message> messages) {
  for (const Message& message : messages) uplinks.Take(message.get());
  return uplinks.Update();
}

std::string Names(const Uplinks& uplinks) {
  std::string out;
  for (const Uplink& uplink : uplinks.all()) out += (out.empty() ? "" : " ") + uplink.name;
  return out;
}

// Of an interface of the kernel.
void SwitchOff(const char* name) {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  CHECK(ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0);
}
void ForgetIpv4(const char* name) {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_addr.sa_family = AF_INET;
  CHECK(ioctl(fd.get(), SIOCSIFADDR, &request) == 0);
}

// eth0 with both families, wlan0 with IPv4 and a link-local address; eth0 has the better metric.
struct TwoHomed {
  Uplinks uplinks;

  explicit TwoHomed(Uplinks::Rules rules = {}) {
    uplinks.SetRules(std::move(rules));
    Tell(uplinks,
         {LinkIs(kLo, "lo", kUp | IFF_LOOPBACK), LinkIs(kEth, "eth0", kUp), LinkIs(kWlan, "wlan0", kUp),
          LinkIs(kTun, "idloc0", kUp), AddressIs(kLo, "127.0.0.1"), AddressIs(kEth, "10.1.0.2"),
          AddressIs(kEth, "2001:db8:1::2"), AddressIs(kWlan, "10.2.0.2"), AddressIs(kWlan, "fe80::2"),
          AddressIs(kTun, "198.18.0.1"), RouteIs({.index = kEth, .gateway = "10.1.0.1"}),
          RouteIs({.index = kEth, .destination = "::", .gateway = "fe80::1"}),
          RouteIs({.index = kEth, .destination = "10.1.0.0", .length = 24, .metric = 0}),
          RouteIs({.index = kWlan, .metric = 600, .gateway = "10.2.0.1"}),
          RouteIs({.index = kWlan, .destination = "fe80::", .length = 64, .metric = 256})});
  }
};

}  // namespace

TEST("uplinks are the interfaces that are up and have a default route in the main table, best metric first") {
  TwoHomed host;
  Uplinks& uplinks = host.uplinks;
  CHECK(Names(uplinks) == "eth0 wlan0");
  CHECK(uplinks.all()[0].metric_v4 == 100 && uplinks.all()[0].metric_v6 == 100);
  CHECK(uplinks.all()[1].metric_v4 == 600 && uplinks.all()[1].metric_v6 == Uplink::kNoRoute);
  CHECK(uplinks.UplinkOf(At("10.1.0.2"))->name == "eth0");
  CHECK(uplinks.UplinkOf(At("2001:db8:1::2"))->name == "eth0");
  CHECK(uplinks.UplinkOf(At("10.2.0.2"))->name == "wlan0");
  for (const char* other : {"127.0.0.1", "198.18.0.1", "10.1.0.3", "::"})
    CHECK(uplinks.UplinkOf(At(other)) == nullptr);
  CHECK(uplinks.HasAddress(At("198.18.0.1")) && !uplinks.HasAddress(At("10.1.0.3")));
  // A route of another table, one to a network, and a second router of the same interface change nothing.
  Tell(uplinks, {RouteIs({.index = kTun, .table = 100}),
                 RouteIs({.index = kTun, .destination = "10.0.0.0", .length = 8}),
                 RouteIs({.index = kEth, .metric = 300, .gateway = "10.1.0.9"})});
  CHECK(Names(uplinks) == "eth0 wlan0" && uplinks.all()[0].metric_v4 == 100);
}

TEST("a message that says what is known already changes nothing") {
  TwoHomed host;
  CHECK(!Tell(host.uplinks, {LinkIs(kEth, "eth0", kUp), AddressIs(kEth, "10.1.0.2"),
                             RouteIs({.index = kEth, .gateway = "10.1.0.1"}),
                             RouteIs({.index = kEth, .metric = 7}, RTM_DELROUTE),
                             AddressIs(kEth, "10.1.0.7", RTM_DELADDR), LinkIs(9, "gone", 0, RTM_DELLINK)}));
}

TEST("an address, a link, a carrier, or a default route that goes is known with its message") {
  {
    TwoHomed host;
    CHECK(Tell(host.uplinks, {AddressIs(kEth, "2001:db8:1::2", RTM_DELADDR)}));
    CHECK(!host.uplinks.HasAddress(At("2001:db8:1::2")) && host.uplinks.HasAddress(At("10.1.0.2")));
    CHECK(Names(host.uplinks) == "eth0 wlan0");
  }
  for (unsigned flags : {unsigned{IFF_UP}, 0U}) {
    TwoHomed host;
    CHECK(Tell(host.uplinks, {LinkIs(kEth, "eth0", flags)}));
    CHECK(Names(host.uplinks) == "wlan0" && !host.uplinks.HasAddress(At("10.1.0.2")));
    Tell(host.uplinks, {LinkIs(kEth, "eth0", kUp)});
    // Without a carrier the routes stay; switched off the kernel has taken them away.
    CHECK(Names(host.uplinks) == (flags == 0 ? "wlan0" : "eth0 wlan0"));
    CHECK(host.uplinks.HasAddress(At("10.1.0.2")));
  }
  {
    TwoHomed host;
    CHECK(Tell(host.uplinks, {LinkIs(kWlan, "wlan0", kUp, RTM_DELLINK)}));
    CHECK(Names(host.uplinks) == "eth0" && !host.uplinks.HasAddress(At("10.2.0.2")));
  }
  {
    TwoHomed host;
    RouteSpec v4{.index = kEth, .gateway = "10.1.0.1"};
    RouteSpec v6{.index = kEth, .destination = "::", .gateway = "fe80::1"};
    CHECK(Tell(host.uplinks, {RouteIs(v4, RTM_DELROUTE)}));
    CHECK(Names(host.uplinks) == "eth0 wlan0" && host.uplinks.all()[0].metric_v4 == Uplink::kNoRoute);
    CHECK(Tell(host.uplinks, {RouteIs(v6, RTM_DELROUTE)}));
    CHECK(Names(host.uplinks) == "wlan0" && host.uplinks.HasAddress(At("10.1.0.2")));
  }
}

TEST("what bridges say of their ports is nothing") {
  TwoHomed host;
  ifinfomsg port{};
  port.ifi_family = AF_BRIDGE;
  port.ifi_index = kEth;
  CHECK(!Tell(host.uplinks, {Message(RTM_DELLINK, port), Message(RTM_NEWLINK, port)}));
  CHECK(Names(host.uplinks) == "eth0 wlan0");
}

TEST("IPv4 routes that the kernel takes away without a word go with their address") {
  TwoHomed host;
  // With a second address on the interface only the routes that send from the first go.
  Tell(host.uplinks,
       {AddressIs(kWlan, "10.2.0.3"), RouteIs({.index = kEth, .metric = 50, .source = "10.2.0.2"}),
        AddressIs(kWlan, "10.2.0.2", RTM_DELADDR)});
  CHECK(Names(host.uplinks) == "eth0 wlan0" && host.uplinks.all()[0].metric_v4 == 100);
  Tell(host.uplinks, {AddressIs(kWlan, "10.2.0.3", RTM_DELADDR)});
  CHECK(Names(host.uplinks) == "eth0");
  // IPv6 has its own.
  Tell(host.uplinks, {AddressIs(kEth, "10.1.0.2", RTM_DELADDR)});
  CHECK(Names(host.uplinks) == "eth0" && host.uplinks.all()[0].metric_v4 == Uplink::kNoRoute);
}

TEST("a replaced default route is the new one's, and of two routers one may go") {
  TwoHomed host;
  RouteSpec moved{.index = kWlan, .gateway = "10.2.0.1"};
  Tell(host.uplinks, {RouteIs(moved, RTM_NEWROUTE, NLM_F_REPLACE)});
  CHECK(host.uplinks.all()[0].name == "eth0" && host.uplinks.all()[0].metric_v4 == Uplink::kNoRoute);
  CHECK(host.uplinks.UplinkOf(At("10.2.0.2"))->metric_v4 == 100);
  RouteSpec second{.index = kEth, .destination = "::", .gateway = "fe80::9"};
  Tell(host.uplinks, {RouteIs(second), RouteIs(second, RTM_DELROUTE)});
  CHECK(host.uplinks.all()[0].metric_v6 == 100);
}

TEST("each hop of a route with several counts") {
  Uplinks uplinks;
  rtmsg body{};
  body.rtm_family = AF_INET;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_type = RTN_UNICAST;
  std::vector<uint8_t> hops;
  for (int index : {kEth, kWlan}) {
    rtnexthop hop{};
    hop.rtnh_len = sizeof hop;
    hop.rtnh_ifindex = index;
    auto* bytes = reinterpret_cast<const uint8_t*>(&hop);
    hops.insert(hops.end(), bytes, bytes + sizeof hop);
  }
  Message both(RTM_NEWROUTE, body);
  both.Add(RTA_MULTIPATH, hops.data(), hops.size());
  Tell(uplinks, {LinkIs(kEth, "eth0", kUp), LinkIs(kWlan, "wlan0", kUp), both});
  CHECK(Names(uplinks) == "eth0 wlan0");
  Message gone(RTM_DELROUTE, body);
  gone.Add(RTA_MULTIPATH, hops.data(), hops.size());
  Tell(uplinks, {gone});
  CHECK(Names(uplinks).empty());
}

TEST("a datagram gets from an address to where routes of its own interface lead") {
  TwoHomed host;
  Uplinks& uplinks = host.uplinks;
  CHECK(uplinks.Reaches(At("10.1.0.2"), At("203.0.113.1")) &&
        uplinks.Reaches(At("10.2.0.2"), At("10.1.0.9")));
  CHECK(uplinks.Reaches(At("2001:db8:1::2"), At("2001:db8:9::1")));
  // wlan0 has only its link of IPv6.
  CHECK(uplinks.Reaches(At("fe80::2"), At("fe80::7")) &&
        !uplinks.Reaches(At("fe80::2"), At("2001:db8:9::1")));
  CHECK(!uplinks.Reaches(At("10.1.0.2"), At("2001:db8:9::1")));
  CHECK(!uplinks.Reaches(At("10.1.0.3"), At("203.0.113.1")));
  // The line's router is gone, the neighbours are there.
  Tell(uplinks, {RouteIs({.index = kEth, .gateway = "10.1.0.1"}, RTM_DELROUTE),
                 RouteIs({.index = kEth, .destination = "172.16.0.0", .length = 13, .gateway = "10.1.0.5"})});
  CHECK(uplinks.Reaches(At("10.1.0.2"), At("10.1.0.77")) &&
        !uplinks.Reaches(At("10.1.0.2"), At("10.1.1.77")));
  CHECK(uplinks.Reaches(At("10.1.0.2"), At("172.23.255.1")) &&
        !uplinks.Reaches(At("10.1.0.2"), At("172.24.0.1")));
  CHECK(!uplinks.Reaches(At("10.1.0.2"), At("203.0.113.1")));
}

TEST("routes without bound are not remembered one by one") {
  TwoHomed host;
  for (uint32_t i = 0; i < 2 * Uplinks::kMostRoutes; i++) {
    std::string network = "100." + std::to_string(64 + i / 256) + "." + std::to_string(i % 256) + ".0";
    host.uplinks.Take(RouteIs({.index = kTun, .destination = network, .length = 24}).get());
  }
  host.uplinks.Take(RouteIs({.index = kTun, .metric = 9}).get());
  host.uplinks.Update();
  CHECK(Names(host.uplinks) == "idloc0 eth0 wlan0");
  CHECK(host.uplinks.Reaches(At("198.18.0.1"), At("100.71.255.1")));
}

TEST("addresses count once no other host has them, and on until they are gone") {
  TwoHomed host;
  Tell(host.uplinks, {AddressIs(kEth, "2001:db8:1::3", RTM_NEWADDR, IFA_F_TENTATIVE),
                      AddressIs(kEth, "2001:db8:1::4", RTM_NEWADDR, IFA_F_DADFAILED),
                      AddressIs(kEth, "2001:db8:1::2", RTM_NEWADDR, IFA_F_DEPRECATED)});
  CHECK(!host.uplinks.HasAddress(At("2001:db8:1::3")) && !host.uplinks.HasAddress(At("2001:db8:1::4")));
  CHECK(host.uplinks.HasAddress(At("2001:db8:1::2")));
  Tell(host.uplinks, {AddressIs(kEth, "2001:db8:1::3")});
  CHECK(host.uplinks.UplinkOf(At("2001:db8:1::3")) != nullptr);
}

TEST("the overlay's own interface and forbidden ones are none, preferred ones go first") {
  TwoHomed host({.own = "idloc0", .forbidden = {"eth0"}, .preferred = {}});
  Tell(host.uplinks, {RouteIs({.index = kTun, .metric = 1})});
  CHECK(Names(host.uplinks) == "wlan0");
  for (const char* address : {"198.18.0.1", "10.1.0.2"}) {
    CHECK(!host.uplinks.HasAddress(At(address)) && host.uplinks.UplinkOf(At(address)) == nullptr);
    CHECK(!host.uplinks.Reaches(At(address), At("203.0.113.1")));
  }
  TwoHomed preferring({.own = "idloc0", .forbidden = {}, .preferred = {"wlan0"}});
  CHECK(Names(preferring.uplinks) == "wlan0 eth0" && preferring.uplinks.all()[0].preferred);
}

TEST(
    "beside a forbidden interface with a default route one uplink is bound to, and takes what has no source "
    "yet") {
  const IpAddress far = At("203.0.113.1");
  TwoHomed alone({.own = "idloc0", .forbidden = {"ppp0"}, .preferred = {}});
  CHECK(alone.uplinks.must_bind() && alone.uplinks.InsteadOfForbidden(far) == nullptr);
  TwoHomed host({.own = "idloc0", .forbidden = {"eth0"}, .preferred = {}});
  Uplinks& uplinks = host.uplinks;
  CHECK(uplinks.must_bind() && uplinks.InsteadOfForbidden(far)->name == "wlan0");
  // By wlan0 nothing leads there, and the kernel knows its neighbours.
  CHECK(uplinks.InsteadOfForbidden(At("2001:db8::1")) == nullptr);
  CHECK(uplinks.InsteadOfForbidden(At("fe80::9")) == nullptr);
  Tell(uplinks, {RouteIs({.index = kWlan, .destination = "192.0.2.0", .length = 24, .metric = 0})});
  CHECK(uplinks.InsteadOfForbidden(At("192.0.2.1")) == nullptr);
  CHECK(uplinks.InsteadOfForbidden(far)->name == "wlan0");
  // With the forbidden one alone there is nothing to be bound to; with the other alone no need.
  Tell(uplinks, {LinkIs(kWlan, "wlan0", 0)});
  CHECK(!uplinks.must_bind() && uplinks.InsteadOfForbidden(far) == nullptr);
  Tell(uplinks, {LinkIs(kWlan, "wlan0", kUp), RouteIs({.index = kWlan, .metric = 600, .gateway = "10.2.0.1"}),
                 LinkIs(kEth, "eth0", 0)});
  CHECK(!uplinks.must_bind() && uplinks.InsteadOfForbidden(far) == nullptr);
}

TEST("addresses are ranked as their uplinks, those of equal ones alike; all others as the best") {
  TwoHomed host;
  auto ranks_of = [&host](size_t uplink) {
    std::vector<int> ranks;
    for (const IpAddress& address : host.uplinks.all()[uplink].addresses)
      ranks.push_back(host.uplinks.ranks().Of(address));
    return ranks;
  };
  for (size_t i = 0; i < 2; i++) {
    CHECK(!ranks_of(i).empty());
    for (int rank : ranks_of(i)) CHECK(rank == static_cast<int>(i));
  }
  CHECK(host.uplinks.ranks().Of(At("203.0.113.1")) == 0 && host.uplinks.ranks().Of({}) == 0);
  TwoHomed preferring({.own = "idloc0", .forbidden = {}, .preferred = {"wlan0"}});
  for (const IpAddress& address : preferring.uplinks.all()[0].addresses)
    CHECK(preferring.uplinks.ranks().Of(address) == 0);
  for (const IpAddress& address : preferring.uplinks.all()[1].addresses)
    CHECK(preferring.uplinks.ranks().Of(address) == 1);
  TwoHomed even;
  RouteSpec route{.index = kWlan, .metric = 600, .gateway = "10.2.0.1"};
  Message gone = RouteIs(route, RTM_DELROUTE);
  route.metric = 100;
  Tell(even.uplinks, {RouteIs(route), gone});
  CHECK(even.uplinks.all().size() == 2 && even.uplinks.all()[1].metric_v4 == 100);
  for (const Uplink& uplink : even.uplinks.all()) {
    for (const IpAddress& address : uplink.addresses) CHECK(even.uplinks.ranks().Of(address) == 0);
  }
}

TEST("a dump starts from nothing, and what it leaves out is gone") {
  TwoHomed host;
  host.uplinks.Restart();
  CHECK(host.uplinks.UplinkOf(At("10.1.0.2")) != nullptr);
  CHECK(Tell(host.uplinks, {LinkIs(kWlan, "wlan0", kUp), AddressIs(kWlan, "10.2.0.2"),
                            RouteIs({.index = kWlan, .metric = 600})}));
  CHECK(Names(host.uplinks) == "wlan0" && !host.uplinks.HasAddress(At("10.1.0.2")));
}

TEST("the kernel's messages lead to what its dump says, also where it takes routes away without a word") {
  if (auto why = EnterNamespace()) return Skip(*why);
  NetworkMonitor monitor;
  CHECK(!monitor.Open().failed());
  Uplinks told;
  auto dump = [] {
    Uplinks out;
    CHECK(!DumpNetwork([&](const nlmsghdr* message) { out.Take(message); }).failed());
    out.Update();
    return out;
  };
  CHECK(!DumpNetwork([&](const nlmsghdr* message) { told.Take(message); }).failed());
  size_t most = 0;
  auto compare = [&] {
    for (;;) {
      monitor.Read(0, [&](const nlmsghdr* message) { told.Take(message); });
      told.Update();
      if (told.all() == dump().all()) break;
      // The kernel did something meanwhile (it makes link-local addresses in its own time), and says so.
      pollfd wait{monitor.fd(), POLLIN, 0};
      CHECK(poll(&wait, 1, 5000) == 1);
    }
    most = std::max(most, told.all().size());
  };
  {
    KernelTun first("up0", {"10.51.0.1/24", "fd51::1/64"});
    KernelTun second("up1", {"10.52.0.1/24", "fd52::1/64"});
    compare();
    for (const char* interface : {"up0", "up1"}) {
      for (const char* destination : {"0.0.0.0/0", "::/0"}) {
        RouteTo(destination, interface);
        compare();
      }
    }
    CHECK(Names(told) == "up1" || told.all().size() == 2);
    RouteChange third{{At("0.0.0.0"), 0}, "up0", 20};
    bool added = false;
    CHECK(!AddRoute(third, &added).failed() && added);
    compare();
    CHECK(told.all().size() == 2);
    // With its last address, and switched off, an interface loses routes without a word about them.
    ForgetIpv4("up0");
    compare();
    CHECK(told.all().size() == 1);
    RouteTo("::/0", "up0");
    compare();
    SwitchOff("up0");
    compare();
    SwitchOff("up1");
    compare();
    CHECK(told.all().empty());
  }
  // The devices are gone.
  compare();
  CHECK(most == 2);
}

}  // namespace idloc::test
