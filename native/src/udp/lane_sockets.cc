#include "udp/lane_sockets.h"

#include <algorithm>
#include <utility>

namespace idloc {

void LaneSockets::Close() {
  main_ = {};
  others_.clear();
  retired_.clear();
}

LaneSocket* LaneSockets::Find(int fd) {
  if (fd == main_.udp.fd()) return &main_;
  for (const auto& socket : others_) {
    if (fd == socket->udp.fd()) return socket.get();
  }
  return nullptr;
}

LaneSocket& LaneSockets::Choose(const Path& path) {
  for (const auto& socket : others_) {
    const std::vector<IpAddress>& own = socket->addresses;
    if (std::find(own.begin(), own.end(), path.local) != own.end()) return *socket;
  }
  if (guide_ == nullptr || !path.local.unset()) return main_;
  const Uplink* uplink = guide_->InsteadOfForbidden(path.remote.address);
  LaneSocket* socket = uplink == nullptr ? nullptr : Of(uplink->index);
  return socket == nullptr ? main_ : *socket;
}

LaneSocket* LaneSockets::Of(int device) {
  for (const auto& socket : others_) {
    bool retired = std::any_of(retired_.begin(), retired_.end(),
                               [&](const Retired& r) { return r.socket == socket.get(); });
    if (socket->device == device && !retired) return socket.get();
  }
  return nullptr;
}

void LaneSockets::Retire(LaneSocket* socket, Nanoseconds now) {
  socket->addresses.clear();
  socket->udp.TurnAway();
  retired_.push_back({socket, now + kLinger});
}

std::vector<std::unique_ptr<LaneSocket>> LaneSockets::TakeClosing(Nanoseconds now) {
  std::vector<std::unique_ptr<LaneSocket>> out;
  while (NextClosing() <= now) {
    auto found = std::find_if(others_.begin(), others_.end(),
                              [&](const auto& s) { return s.get() == retired_.front().socket; });
    retired_.erase(retired_.begin());
    out.push_back(std::move(*found));
    others_.erase(found);
  }
  return out;
}

}  // namespace idloc
