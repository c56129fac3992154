#pragma once
// Which link carries packets to which overlay address.
#include <optional>
#include <unordered_map>

#include "link/link_table.h"

namespace idloc {

class TunnelTable {
 public:
  // nullptr: no authorized link.
  Link* Find(const IpAddress& destination);
  void Set(const IpAddress& address, Link* link);
  // Drops every entry of the link; an older link authorized for the same address takes over.
  void Remove(Link* link, const LinkTable& links);

 private:
  std::unordered_map<IpAddress, Link*, AddressHash> links_;  // borrowed from the LinkTable
  IpAddress last_address_;
  Link* last_link_ = nullptr;
};

}  // namespace idloc
