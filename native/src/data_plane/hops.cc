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
  relay->carries_hops = true;
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
  slot.traffic_class = traffic_class;
  return slot;
}

void DataPlane::CommitHop(Lane* lane, const Slot& slot) {
  Link* relay = slot.relay;
  const size_t total = slot.content + relay->session->send_layout().overhead;
  const bool sealed =
      relay->session->SealRecord(slot.record, slot.content, kContentApplicationData, lane == &urgent_);
  // As in SealPacket.
  if (!sealed) std::memset(slot.record, 0xff, total);
  const Path* spare = sealed ? SpareOfHop(lane, *relay, total) : nullptr;
  if (spare != nullptr) hop_record_.assign(slot.record, slot.record + total);
  if (slot.streamed != 0) streams_.Queue(slot.stream, slot.streamed, lane == &urgent_, now_);
  if (!sealed) {
    counters_->Add(Counter::dropSendFailed);
    return;
  }
  relay->stats->AddSent(slot.content, 1);
  const bool may_copy =
      spare != nullptr && (slot.from == nullptr ||
                           hop_quota_.Take(QuotaUserOf(*slot.from), slot.content - kHopHeaderBytes, now_));
  if (may_copy && SendCopy(*spare, hop_record_, slot.traffic_class)) relay->paths->SentTwice(total);
  CheckKeys(relay);
}

const Path* DataPlane::SpareOfHop(const Lane* lane, const Link& relay, size_t record_bytes) const {
  if (lane != &urgent_ || relay.paths == nullptr) return nullptr;
  const Path* spare = relay.paths->SpareFor(record_bytes);
  // A hop on a hop would have no end.
  return spare == nullptr || spare->is_hop() ? nullptr : spare;
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
  Slot slot = ReserveRecord(receiving_, link, kHopFrom, from->hit, length, outer_ecn_);
  if (slot.data == nullptr) {
    counters_->Add(Counter::dropSendQueueFull);
    return;
  }
  slot.from = from;
  std::memcpy(slot.data, datagram, length);
  Commit(receiving_, slot);
  counters_->Add(Counter::hopsForwarded);
  counters_->Add(Counter::hopsForwardedBytes, length);
}

void DataPlane::Handle(SetRelay& command) { hop_quota_.SetRate(command.bytes_per_second); }

}  // namespace idloc
