// Datagrams that another member hands on (relay/hop.h), at all three places:
//   1. Reserve to CommitHop: at the sender, written and sealed in place inside a record of the link with the
//   relay
//   2. HandleHop, ForwardHop: at the relay, from one link to another
//   3. HandleHop: at the receiver, handled as if it had come to a socket
#include <algorithm>
#include <cstring>

#include "data_plane/data_plane.h"
#include "link/link_control.h"
#include "link/record_format.h"
#include "relay/hop.h"

namespace idloc {

namespace {

// Of a host without a user: its own.
uint64_t QuotaUserOf(const Link& link) {
  constexpr uint64_t kHost = uint64_t{1} << 32;
  return link.user != 0 ? link.user : kHost | link.id;
}

}  // namespace

// Sealed anew with a connection ID, the last record of a flight is so much longer than OpenSSL's.
static_assert(DtlsSession::kHandshakeMtu + LayoutWith(kConnectionIdBytes).overhead - LayoutWith(0).overhead +
                      kHopOverhead <=
                  kBasePathMtu,
              "a flight fits a hop");

DataPlane::Slot DataPlane::ReserveHop(Lane* lane, const Path& path, size_t length, uint8_t traffic_class) {
  Link* relay = FindNeighbor(path.local);
  if (relay == nullptr) {
    counters_->Add(Counter::dropNoRelay);
    return {};
  }
  if (relay->resting) Stir(relay, false);
  Slot slot = ReserveRecord(lane, relay, kHopTo, path.remote.address, length, traffic_class);
  if (slot.data != nullptr) counters_->Add(Counter::hopsSent);
  return slot;
}

DataPlane::Slot DataPlane::ReserveRecord(Lane* lane, Link* neighbor, uint8_t type, const IpAddress& other,
                                         size_t length, uint8_t traffic_class) {
  const RecordLayout layout = neighbor->session->send_layout();
  const size_t content = kHopHeaderBytes + length;
  if (content + layout.overhead > kMaxUdpPayload) return {};
  Slot slot = ReserveDirect(lane, *neighbor->path, content + layout.overhead, traffic_class);
  if (slot.data == nullptr) return {};
  uint8_t* inside = slot.data + layout.plaintext_offset;
  inside[0] = type;
  std::memcpy(inside + 1, other.bytes.data(), other.bytes.size());
  slot.record = slot.data;
  slot.data = inside + kHopHeaderBytes;
  slot.relay = neighbor;
  slot.content = content;
  return slot;
}

void DataPlane::CommitHop(Lane* lane, const Slot& slot) {
  Link* relay = slot.relay;
  if (!relay->session->SealRecord(slot.record, slot.content, kContentApplicationData, lane == &urgent_)) {
    // As in SealPacket.
    std::memset(slot.record, 0xff, slot.content + relay->session->send_layout().overhead);
    counters_->Add(Counter::dropSendFailed);
    return;
  }
  relay->stats->AddSent(slot.content, 1);
  CheckKeys(relay);
}

bool DataPlane::SendVia(const Path& path, const uint8_t* data, size_t length) {
  if (!path.is_hop() && !path.is_stream() && !path.is_turn())
    return urgent_.sockets.Send(path, data, length, length) == SendResult::kSent;
  const Slot slot = Reserve(&urgent_, path, length);
  if (slot.data == nullptr) return false;
  std::memcpy(slot.data, data, length);
  Commit(&urgent_, slot);
  return true;
}

Link* DataPlane::FindNeighbor(const IpAddress& hit) {
  Link* link = tunnels_.Find(hit);
  // A hop on a hop would have no end.
  bool direct = link != nullptr && link->connected && link->path.has_value() && !link->path->is_hop();
  return direct ? link : nullptr;
}

void DataPlane::HandleHop(Link* link, uint8_t* data, size_t length, const Path& path) {
  if (!link->authorized || path.is_hop() || length <= kHopHeaderBytes ||
      !MayHop(data + kHopHeaderBytes, length - kHopHeaderBytes)) {
    counters_->Add(Counter::dropHopRefused);
    return;
  }
  const IpAddress other = IpAddress::FromV6(data + 1);
  if (data[0] == kHopTo) {
    ForwardHop(link, other, data + kHopHeaderBytes, length - kHopHeaderBytes);
    return;
  }
  if (!other.is_hit() || other == link->hit || other == local_hit_) {
    counters_->Add(Counter::dropHopRefused);
    return;
  }
  counters_->Add(Counter::hopsReceived);
  HandleDatagram(data + kHopHeaderBytes, length - kHopHeaderBytes, Path{link->hit, {other, 0}});
}

void DataPlane::ForwardHop(Link* from, const IpAddress& to, const uint8_t* datagram, size_t length) {
  if (hop_quota_.is_off()) {
    counters_->Add(Counter::dropHopRefused);
    return;
  }
  Link* link = to.is_hit() ? FindNeighbor(to) : nullptr;
  if (link == nullptr || link == from) {
    counters_->Add(Counter::dropHopUnknown);
    return;
  }
  if (!hop_quota_.Take(QuotaUserOf(*from), length, now_)) {
    counters_->Add(Counter::dropHopQuota);
    return;
  }
  // In the lane in which it came, and with its mark of congestion.
  const Slot slot = ReserveRecord(receiving_, link, kHopFrom, from->hit, length, outer_ecn_);
  if (slot.data == nullptr) {
    counters_->Add(Counter::dropSendQueueFull);
    return;
  }
  std::memcpy(slot.data, datagram, length);
  Commit(receiving_, slot);
  counters_->Add(Counter::hopsForwarded);
  counters_->Add(Counter::hopsForwardedBytes, length);
}

void DataPlane::Handle(SetRelay& command) { hop_quota_.SetRate(command.bytes_per_second); }

}  // namespace idloc
