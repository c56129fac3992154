#pragma once
// Links by number, by the remote address their datagrams come from, and by connection ID.
#include <memory>
#include <unordered_map>
#include <vector>

#include "link/link.h"

namespace idloc {

class LinkTable {
 public:
  // Whose datagrams come from a remote. `previous` stays in charge of its own records until `link` is
  // connected: an on-path sender of ClientHellos shall not silence a live association. It gets the remote
  // back when `link` ends.
  struct Binding {
    Link* link = nullptr;      // borrowed from the table; Remove clears it
    Link* previous = nullptr;  // as above
    // Of CheckLimiter: STUN datagrams of this remote in the second of that number.
    uint32_t check_turn = 0;
    uint32_t checks = 0;
  };

  Link* Add(std::unique_ptr<Link> link);
  Link* Find(LinkId id);
  // Borrowed until the next change of the table.
  Binding* FindRemote(const Endpoint& remote);
  // A handshake that is under way at the remote keeps it, unless the handshake of `link` `begins` there.
  void Bind(Link* link, const Endpoint& remote, bool begins);
  void Unbind(Link* link, const Endpoint& remote);
  // The connection ID of the link's session, if it has one, leads to this link.
  void Name(Link* link);
  Link* FindNamed(const ConnectionId& id);
  // The link now owns its remotes alone.
  void ForgetPrevious(Link* link);
  void Remove(Link* link);

  const std::unordered_map<LinkId, std::unique_ptr<Link>>& all() const { return links_; }

 private:
  std::unordered_map<LinkId, std::unique_ptr<Link>> links_;
  std::unordered_map<Endpoint, Binding, AddressHash> remotes_;
  std::unordered_map<ConnectionId, Link*, ConnectionIdHash> named_;  // borrowed; Remove clears it
};

}  // namespace idloc
