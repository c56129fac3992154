#include "link/link_table.h"

#include <utility>

namespace idloc {

Link* LinkTable::Add(std::unique_ptr<Link> link) {
  LinkId id = link->id;
  return links_.insert_or_assign(id, std::move(link)).first->second.get();
}

Link* LinkTable::Find(LinkId id) {
  auto found = links_.find(id);
  return found == links_.end() ? nullptr : found->second.get();
}

LinkTable::Binding* LinkTable::FindRemote(const Endpoint& remote) {
  auto found = remotes_.find(remote);
  return found == remotes_.end() ? nullptr : &found->second;
}

void LinkTable::Bind(Link* link, const Endpoint& remote, bool begins) {
  Binding& binding = remotes_[remote];
  if (binding.link == link) return;
  bool under_way = binding.link != nullptr && binding.link->session != nullptr && !binding.link->connected;
  if (under_way && !begins) {
    if (link->connected) binding.previous = link;
    return;
  }
  // A half-open successor is replaced; the association that it was to succeed stays.
  Link* live = binding.link != nullptr && binding.link->connected ? binding.link : binding.previous;
  binding.previous = live != link ? live : nullptr;
  binding.link = link;
}

void LinkTable::Unbind(Link* link, const Endpoint& remote) {
  auto found = remotes_.find(remote);
  if (found == remotes_.end()) return;
  Binding& binding = found->second;
  if (binding.previous == link) binding.previous = nullptr;
  if (binding.link == link) binding.link = std::exchange(binding.previous, nullptr);
  if (binding.link == nullptr) remotes_.erase(found);
}

void LinkTable::Name(Link* link) {
  const ConnectionId* id = link->session->own_id();
  if (id != nullptr) named_[*id] = link;
}

Link* LinkTable::FindNamed(const ConnectionId& id) {
  auto found = named_.find(id);
  return found == named_.end() ? nullptr : found->second;
}

void LinkTable::ForgetPrevious(Link* link) {
  for (auto& [remote, binding] : remotes_) {
    if (binding.link == link) binding.previous = nullptr;
  }
}

void LinkTable::Remove(Link* link) {
  for (auto at = remotes_.begin(); at != remotes_.end();) {
    Binding& binding = at->second;
    if (binding.previous == link) binding.previous = nullptr;
    if (binding.link == link) binding.link = std::exchange(binding.previous, nullptr);
    at = binding.link == nullptr ? remotes_.erase(at) : std::next(at);
  }
  if (link->session != nullptr && link->session->own_id() != nullptr) named_.erase(*link->session->own_id());
  links_.erase(link->id);
}

}  // namespace idloc
