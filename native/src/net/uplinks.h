#pragma once
// The interfaces by which this host reaches the rest of the world, as rtnetlink's messages tell: which there
// are, whose a local address is, and where a datagram from it gets to. Opens nothing; whoever reads messages
// hands them over.
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/address.h"
#include "net/local_ranks.h"
#include "net/netlink_messages.h"

namespace idloc {

// An interface that is up and has a default route of a family.
struct Uplink {
  static constexpr uint32_t kNoRoute = UINT32_MAX;

  int index;
  std::string name;
  bool preferred;  // by the user
  // Of its best default route in the main table; kNoRoute: it has none of this family.
  uint32_t metric_v4;
  uint32_t metric_v6;
  std::vector<IpAddress> addresses;

  bool operator==(const Uplink&) const = default;
};

class Uplinks {
 public:
  // More are not made use of, the preferred and then those with the best metrics first.
  static constexpr size_t kMost = 8;
  // Of one interface; with more, whatever is not told by them counts as reached.
  static constexpr size_t kMostRoutes = 1024;

  // Interfaces by name. `own`: the overlay's, which is none for anything in here.
  struct Rules {
    std::string own;
    std::vector<std::string> forbidden;
    std::vector<std::string> preferred;
  };

  // Before all else.
  void SetRules(Rules rules) { rules_ = std::move(rules); }

  // A dump follows: what is known is forgotten; answers stay what they are until the next Update.
  void Restart();
  // One message of rtnetlink, of a dump or of a change; others than those of links, addresses and routes are
  // nothing.
  void Take(const nlmsghdr* message);
  // Answers are about everything taken so far from here on. True: some may be others than before.
  bool Update();

  // Best first.
  const std::vector<Uplink>& all() const { return all_; }
  // The kernel's routes alone might lead out by another one than is meant: there are several, or a forbidden
  // interface has a default route as well.
  bool must_bind() const { return all_.size() > 1 || (!all_.empty() && forbidden_out_); }
  // By which a datagram leaves that has no source address yet, where the kernel might take a forbidden
  // interface; nullptr: as the kernel's routes say. Valid until the next Update.
  const Uplink* InsteadOfForbidden(const IpAddress& remote) const;
  // By the user's preference, then the metric; those of equal uplinks are equal.
  const LocalRanks& ranks() const { return ranks_; }
  // nullptr: none has this address. Valid until the next Update.
  const Uplink* UplinkOf(const IpAddress& local) const;
  // An interface that is up has this address, uplink or not; not the overlay's and not a forbidden one.
  bool HasAddress(const IpAddress& local) const;
  // Whether a datagram to `remote` can leave by the interface that has `local`: by its default route or a
  // nearer one.
  bool Reaches(const IpAddress& local, const IpAddress& remote) const;

 private:
  struct Address {
    IpAddress address;
    int prefix_length;
    bool usable;
    bool operator==(const Address&) const = default;
  };
  struct Route {
    Prefix destination;
    Prefix from;
    IpAddress gateway;
    IpAddress source;
    uint32_t metric;
    bool is_default() const { return destination.length == 0; }
    bool v4() const { return destination.address.is_v4(); }
    bool operator==(const Route&) const = default;
  };
  struct Interface {
    std::string name;
    bool up = false;
    bool loopback = false;
    std::vector<Address> addresses;
    std::vector<Route> routes;
    bool too_many_routes = false;
  };
  // Whose an address is.
  struct Owner {
    int interface;
    size_t uplink;  // index in all_; kNone: it is none
  };
  static constexpr size_t kNone = SIZE_MAX;

  void Take(const LinkMessage& link);
  void Take(const AddressMessage& address);
  void Take(const RouteMessage& route);
  bool IsIgnored(const Interface& interface) const;
  uint32_t BestMetric(const Interface& interface, bool v4) const;
  const Owner* Find(const IpAddress& local) const;

  Rules rules_;
  std::map<int, Interface> interfaces_;
  bool changed_ = false;
  // As of the last Update.
  std::vector<Uplink> all_;
  bool forbidden_out_ = false;  // by a forbidden interface a default route leads out
  LocalRanks ranks_;
  std::unordered_map<IpAddress, Owner, AddressHash> owners_;
};

}  // namespace idloc
