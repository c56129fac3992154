#include "net/uplinks.h"

#include <linux/if_addr.h>
#include <net/if.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace idloc {

namespace {

bool Names(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void Uplinks::Restart() {
  interfaces_.clear();
  changed_ = true;
}

void Uplinks::Take(const nlmsghdr* message) {
  if (auto link = ParseLinkMessage(message)) {
    Take(*link);
  } else if (auto address = ParseAddressMessage(message)) {
    Take(*address);
  } else if (auto route = ParseRouteMessage(message)) {
    Take(*route);
  }
}

void Uplinks::Take(const LinkMessage& link) {
  if (link.gone) {
    changed_ = interfaces_.erase(link.index) > 0 || changed_;
    return;
  }
  Interface& interface = interfaces_[link.index];
  bool up = (link.flags & IFF_UP) != 0 && (link.flags & IFF_RUNNING) != 0;
  bool loopback = (link.flags & IFF_LOOPBACK) != 0;
  std::string name = link.name.empty() ? interface.name : link.name;
  changed_ = changed_ || interface.up != up || interface.loopback != loopback || interface.name != name;
  interface.up = up;
  interface.loopback = loopback;
  interface.name = std::move(name);
  // The kernel takes the routes of an interface that is switched off away, those of IPv4 without a word.
  if ((link.flags & IFF_UP) == 0) {
    changed_ = changed_ || !interface.routes.empty();
    interface.routes.clear();
    interface.too_many_routes = false;
  }
}

void Uplinks::Take(const AddressMessage& address) {
  // Of an interface that is gone others may still go: no reason to remember it.
  if (address.gone && interfaces_.count(address.index) == 0) return;
  Interface& interface = interfaces_[address.index];
  bool tentative = (address.flags & IFA_F_TENTATIVE) != 0 && (address.flags & IFA_F_OPTIMISTIC) == 0;
  bool usable = !tentative && (address.flags & IFA_F_DADFAILED) == 0;
  auto found = std::find_if(interface.addresses.begin(), interface.addresses.end(), [&](const Address& a) {
    return a.address == address.address && a.prefix_length == address.prefix_length;
  });
  if (!address.gone) {
    if (found == interface.addresses.end()) {
      interface.addresses.push_back({address.address, address.prefix_length, usable});
      changed_ = true;
    } else if (found->usable != usable) {
      found->usable = usable;
      changed_ = true;
    }
    return;
  }
  if (found == interface.addresses.end()) return;
  interface.addresses.erase(found);
  changed_ = true;
  if (!address.address.is_v4()) return;
  // With its last address all routes of an interface go, and with any the routes that send from it; the
  // kernel does not say so (fib_disable_ip, fib_sync_down_addr).
  auto has = [](const Interface& of, auto matches) {
    return std::any_of(of.addresses.begin(), of.addresses.end(), matches);
  };
  if (!has(interface, [](const Address& a) { return a.address.is_v4(); })) {
    std::erase_if(interface.routes, [](const Route& route) { return route.v4(); });
    return;
  }
  for (const auto& [index, other] : interfaces_) {
    if (has(other, [&](const Address& a) { return a.address == address.address; })) return;
  }
  for (auto& [index, other] : interfaces_) {
    std::erase_if(other.routes, [&](const Route& route) { return route.source == address.address; });
  }
}

void Uplinks::Take(const RouteMessage& route) {
  if (route.replaces) {
    for (auto& [index, interface] : interfaces_) {
      size_t erased = std::erase_if(interface.routes, [&](const Route& r) {
        return r.destination == route.destination && r.from == route.from && r.metric == route.metric;
      });
      changed_ = changed_ || erased > 0;
    }
  }
  for (const RouteMessage::Hop& hop : route.hops) {
    if (route.gone && interfaces_.count(hop.index) == 0) continue;
    Interface& interface = interfaces_[hop.index];
    Route entry{route.destination, route.from, hop.gateway, route.source, route.metric};
    auto found = std::find(interface.routes.begin(), interface.routes.end(), entry);
    if (route.gone) {
      if (found == interface.routes.end()) continue;
      interface.routes.erase(found);
    } else if (found != interface.routes.end()) {
      continue;
    } else if (interface.routes.size() < kMostRoutes) {
      interface.routes.push_back(entry);
    } else if (entry.is_default()) {
      interface.routes.back() = entry;
      interface.too_many_routes = true;
    } else {
      interface.too_many_routes = true;
      continue;
    }
    changed_ = true;
  }
}

bool Uplinks::IsIgnored(const Interface& interface) const {
  return interface.name == rules_.own || Names(rules_.forbidden, interface.name);
}

uint32_t Uplinks::BestMetric(const Interface& interface, bool v4) const {
  uint32_t best = Uplink::kNoRoute;
  for (const Route& route : interface.routes) {
    if (route.is_default() && route.v4() == v4) best = std::min(best, route.metric);
  }
  return best;
}

bool Uplinks::Update() {
  if (!std::exchange(changed_, false)) return false;
  all_.clear();
  owners_.clear();
  forbidden_out_ = false;
  for (const auto& [index, interface] : interfaces_) {
    if (!interface.up || interface.loopback || interface.name == rules_.own) continue;
    uint32_t v4 = BestMetric(interface, true);
    uint32_t v6 = BestMetric(interface, false);
    if (v4 == Uplink::kNoRoute && v6 == Uplink::kNoRoute) continue;
    if (IsIgnored(interface)) {
      forbidden_out_ = true;
      continue;
    }
    Uplink& uplink =
        all_.emplace_back(Uplink{index, interface.name, Names(rules_.preferred, interface.name), v4, v6, {}});
    for (const Address& address : interface.addresses) {
      if (address.usable) uplink.addresses.push_back(address.address);
    }
    // Those told by changes stand in another order than those of a dump.
    std::sort(uplink.addresses.begin(), uplink.addresses.end(),
              [](const IpAddress& a, const IpAddress& b) { return a.bytes < b.bytes; });
  }
  auto order = [](const Uplink& u) { return std::tuple(!u.preferred, std::min(u.metric_v4, u.metric_v6)); };
  std::stable_sort(all_.begin(), all_.end(),
                   [&](const Uplink& a, const Uplink& b) { return order(a) < order(b); });
  if (all_.size() > kMost) all_.resize(kMost);
  ranks_.Clear();
  uint8_t rank = 0;
  for (size_t i = 0; i < all_.size(); i++) {
    if (i > 0 && order(all_[i - 1]) < order(all_[i])) rank++;
    for (const IpAddress& address : all_[i].addresses) ranks_.Set(address, rank);
  }
  // An address that several interfaces have, a link-local one for instance, is the best uplink's.
  for (size_t i = 0; i < all_.size(); i++) {
    for (const IpAddress& address : all_[i].addresses) owners_.try_emplace(address, Owner{all_[i].index, i});
  }
  for (const auto& [index, interface] : interfaces_) {
    if (!interface.up || IsIgnored(interface)) continue;
    for (const Address& address : interface.addresses) {
      if (address.usable) owners_.try_emplace(address.address, Owner{index, kNone});
    }
  }
  return true;
}

const Uplinks::Owner* Uplinks::Find(const IpAddress& local) const {
  auto found = owners_.find(local);
  return found == owners_.end() ? nullptr : &found->second;
}

const Uplink* Uplinks::UplinkOf(const IpAddress& local) const {
  const Owner* owner = Find(local);
  return owner == nullptr || owner->uplink == kNone ? nullptr : &all_[owner->uplink];
}

const Uplink* Uplinks::InsteadOfForbidden(const IpAddress& remote) const {
  if (!forbidden_out_) return nullptr;
  auto is_near = [&](const Route& route) {
    return !route.is_default() && route.v4() == remote.is_v4() && route.destination.Contains(remote);
  };
  for (const auto& [index, interface] : interfaces_) {
    if (interface.up && !IsIgnored(interface) &&
        std::any_of(interface.routes.begin(), interface.routes.end(), is_near))
      return nullptr;
  }
  for (const Uplink& uplink : all_) {
    if ((remote.is_v4() ? uplink.metric_v4 : uplink.metric_v6) != Uplink::kNoRoute) return &uplink;
  }
  return nullptr;
}

bool Uplinks::HasAddress(const IpAddress& local) const { return Find(local) != nullptr; }

bool Uplinks::Reaches(const IpAddress& local, const IpAddress& remote) const {
  const Owner* owner = Find(local);
  if (owner == nullptr || local.is_v4() != remote.is_v4()) return false;
  if (owner->uplink != kNone) {
    const Uplink& uplink = all_[owner->uplink];
    if ((local.is_v4() ? uplink.metric_v4 : uplink.metric_v6) != Uplink::kNoRoute) return true;
  }
  auto found = interfaces_.find(owner->interface);
  if (found == interfaces_.end()) return false;
  const Interface& interface = found->second;
  return interface.too_many_routes ||
         std::any_of(interface.routes.begin(), interface.routes.end(),
                     [&](const Route& route) { return route.destination.Contains(remote); });
}

}  // namespace idloc
