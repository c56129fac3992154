// By which of the host's interfaces datagrams leave. With fewer than two uplinks the kernel's routes say so,
// as for everybody; with more, the source address of each datagram (udp/lane_sockets.h): the kernel would
// send all of them to the one with the better metric, whatever their source. With one beside a forbidden
// interface, too: that may have the better metric.
#include <sys/epoll.h>

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "data_plane/data_plane.h"
#include "net/netlink.h"

namespace idloc {

void DataPlane::LoadUplinks() {
  uplinks_loaded_at_ = MonotonicNow();
  load_uplinks_at_ = kNever;
  uplinks_.Restart();
  // What fails leaves fewer of them, and all to the kernel's routes. What changes meanwhile is told once
  // more.
  Error failed = DumpNetwork([this](const nlmsghdr* message) { uplinks_.Take(message); });
  if (failed.failed()) counters_->Add(Counter::uplinksUnbound);
  UseUplinks();
}

void DataPlane::ReadNetwork() {
  NetworkMonitor::Changes changes =
      monitor_.Read(tun_.interface_index(), [this](const nlmsghdr* message) { uplinks_.Take(message); });
  NoteChanges(changes);
  if (changes.lost) load_uplinks_at_ = std::max(now_, uplinks_loaded_at_ + kLoadInterval);
  UseUplinks();
}

void DataPlane::UseUplinks() {
  if (!uplinks_.Update()) return;
  const std::vector<Uplink>& all = uplinks_.all();
  for (Lane* lane : {&bulk_, &urgent_}) {
    std::vector<LaneSocket*> unused;
    for (const auto& socket : lane->sockets.others()) {
      bool wanted = uplinks_.must_bind() && std::any_of(all.begin(), all.end(), [&](const Uplink& uplink) {
                      return uplink.index == socket->device;
                    });
      if (!wanted && lane->sockets.Of(socket->device) == socket.get()) unused.push_back(socket.get());
    }
    for (LaneSocket* socket : unused) lane->sockets.Retire(socket, now_);
  }
  if (uplinks_.must_bind()) {
    for (const Uplink& uplink : all) {
      if (bulk_.sockets.Of(uplink.index) == nullptr) OpenUplink(uplink);
      for (Lane* lane : {&bulk_, &urgent_}) {
        if (LaneSocket* socket = lane->sockets.Of(uplink.index)) socket->addresses = uplink.addresses;
      }
    }
  }
  UplinksChanged();
}

void DataPlane::OpenUplink(const Uplink& uplink) {
  auto bulk = std::make_unique<LaneSocket>();
  auto urgent = std::make_unique<LaneSocket>();
  bulk->device = urgent->device = uplink.index;
  Error error = bulk->udp.OpenOn(uplink.index, &bulk_.sockets.main().udp, counters_.get());
  if (!error.failed()) error = urgent->udp.OpenUrgent(&bulk->udp, counters_.get());
  auto watch = [this](const LaneSocket& socket) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket.udp.fd();
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.udp.fd(), &event) == 0;
  };
  if (error.failed() || !watch(*bulk) || !watch(*urgent)) {
    // Its datagrams leave as the kernel routes them, as all do with one uplink.
    counters_->Add(Counter::uplinksUnbound);
    return;
  }
  bulk_.sockets.Add(std::move(bulk));
  urgent_.sockets.Add(std::move(urgent));
}

void DataPlane::CloseRetiredSockets() {
  if (std::min(bulk_.sockets.NextClosing(), urgent_.sockets.NextClosing()) > now_) return;
  for (Lane* lane : {&urgent_, &bulk_}) {
    for (const auto& socket : lane->sockets.TakeClosing(now_)) Receive(lane, socket.get(), kUrgentUdpBudget);
  }
}

void DataPlane::UplinksChanged() {
  LeaveStreams();
  LookAtPaths();
}

void DataPlane::LookAtPaths() {
  std::vector<std::tuple<Nanoseconds, Nanoseconds, LinkId>> all;
  for (const auto& [id, link] : links_.all()) {
    if (link->paths != nullptr) all.emplace_back(link->paths->urgent_at(), link->paths->sent_at(), id);
  }
  std::sort(all.begin(), all.end());
  leaving_.clear();
  for (const auto& [urgent_at, sent_at, id] : all) leaving_.push_back(id);
  LeaveLostPaths();
}

// Those of links with a call are looked at first, the others a few at a time (RFC 8445 s14.2): a router on
// the new way need not make a thousand mappings in one instant.
void DataPlane::LeaveLostPaths() {
  for (size_t i = 0; i < kLeaveAtOnce && !leaving_.empty(); i++) {
    Link* link = links_.Find(leaving_.back());
    leaving_.pop_back();
    if (link == nullptr || link->paths == nullptr) continue;
    // What a member hands on leaves by the path to that member.
    std::vector<IpAddress> relays;
    for (const PathSet::Entry& entry : link->paths->entries()) {
      if (entry.route.is_hop()) relays.push_back(entry.route.local);
    }
    for (const IpAddress& hit : relays) {
      Link* relay = FindNeighbor(hit);
      if (relay != nullptr && relay->paths != nullptr) LeaveLostPathsOf(relay);
    }
    LeaveLostPathsOf(link);
  }
  leave_at_ = leaving_.empty() ? kNever : now_ + kLeaveInterval;
}

void DataPlane::LeaveLostPathsOf(Link* link) {
  auto is_present = [this](const Path& path) { return uplinks_.HasAddress(path.local); };
  link->paths->Lose([this](const Path& path) { return IsUsable(path); }, is_present, now_);
  TendPaths(link);
}

// A path whose local address is gone is of no use, nor one whose address has no way out any more while
// another one has: where all have lost their routes, these come back as a rule.
bool DataPlane::IsUsable(const Path& path) {
  // A hop is as good as the link with its relay, which is looked at by itself; a stream is dialed anew.
  if (path.is_turn()) return turn_channels_.Find(path) != nullptr;
  if (path.local.unset() || path.is_hop() || path.is_stream()) return true;
  if (!uplinks_.HasAddress(path.local)) return false;
  const IpAddress& remote = path.remote.address;
  if (uplinks_.Reaches(path.local, remote)) return true;
  const std::vector<Uplink>& all = uplinks_.all();
  return std::none_of(all.begin(), all.end(), [&](const Uplink& uplink) {
    return (remote.is_v4() ? uplink.metric_v4 : uplink.metric_v6) != Uplink::kNoRoute;
  });
}

}  // namespace idloc
