#include "tunnel/tunnel_table.h"

namespace idloc {

Link* TunnelTable::Find(const IpAddress& destination) {
  // Bursts go to one destination.
  if (last_link_ != nullptr && last_address_ == destination) return last_link_;
  auto found = links_.find(destination);
  if (found == links_.end()) return nullptr;
  last_address_ = destination;
  last_link_ = found->second;
  return last_link_;
}

void TunnelTable::Set(const IpAddress& address, Link* link) {
  last_link_ = nullptr;
  links_[address] = link;
}

void TunnelTable::Remove(Link* link, const LinkTable& links) {
  last_link_ = nullptr;
  for (auto at = links_.begin(); at != links_.end();) {
    if (at->second != link) {
      ++at;
      continue;
    }
    Link* heir = nullptr;
    for (const auto& [id, other] : links.all()) {
      if (other.get() == link || !other->authorized || !other->connected) continue;
      if (other->hit == at->first || (other->ipv4.has_value() && *other->ipv4 == at->first))
        heir = other.get();
    }
    if (heir != nullptr) {
      at->second = heir;
      ++at;
    } else {
      at = links_.erase(at);
    }
  }
}

}  // namespace idloc
