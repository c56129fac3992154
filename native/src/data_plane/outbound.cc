// Programs to network. Stages, in the order of the functions:
//   1. Outbound: super-packets from the TUN; while there is urgent traffic all of them are read at once, and
//   bulk waits
//      in the backlog
//   2. HandleTunPacket: whose packet, to which link; held when there is none yet
//   3. SendPackets: split at the MSS, each packet sealed as one record in the transmit queue (UDP_SEGMENT)
//      SendFragments: what the path of the link does not carry in one piece
#include <algorithm>
#include <cstring>

#include "data_plane/data_plane.h"
#include "link/record_format.h"
#include "net/ecn.h"
#include "net/traffic_class.h"
#include "tun/fragmenter.h"

namespace idloc {

void DataPlane::Outbound() {
  for (int round = 0; round < kTunBudget; round++) {
    ReadTun();
    if (backlog_.empty() || bulk_.transmit.blocked()) return;
    size_t length;
    uint8_t* data = backlog_.Front(&length);
    HandleTunPacket(data, length, &bulk_);
    backlog_.Pop();
    ServeUrgent();
  }
}

void DataPlane::ServeUrgent() {
  Inbound(&urgent_, kUrgentUdpBudget);
  urgent_.transmit.FlushUnblocked();
}

void DataPlane::ReadTun() {
  if (!tun_.valid()) return;
  // Without urgent traffic one at a time, into memory that is warm, and the rest waits in the TUN.
  int budget = IsUrgentActive() ? kReadAheadBudget : backlog_.empty() && !bulk_.transmit.blocked() ? 1 : 0;
  bool urgent = false;
  for (; budget > 0; budget--) {
    uint8_t* room = backlog_.Room();
    uint8_t* data = room == nullptr ? overflow_.get() : room;
    ssize_t length = tun_.Read(data, Backlog::kEntryBytes);
    if (length <= 0) break;
    counters_->Add(Counter::tunReads);
    counters_->Add(Counter::tunReadBytes, static_cast<uint64_t>(length));
    auto size = static_cast<size_t>(length);
    if (IsUrgent(data, size)) {
      urgent_at_ = now_;
      urgent = true;
      HandleTunPacket(data, size, &urgent_);
    } else if (room == nullptr) {
      counters_->Add(Counter::dropBacklogFull);
    } else {
      backlog_.Append(size);
      pause_ = std::max(pause_, Schedule::kPauseAfterSent);
    }
  }
  if (urgent) urgent_.transmit.FlushUnblocked();
}

bool DataPlane::IsUrgent(const uint8_t* data, size_t length) {
  PacketView view;
  const uint8_t* packet = data + kVnetHeaderBytes;
  if (length < kVnetHeaderBytes || !ParsePacket(packet, length - kVnetHeaderBytes, &view)) return false;
  if (IsMarkedUrgent(packet)) return true;
  VnetHeader header;
  std::memcpy(&header, data, sizeof header);
  bool whole_udp = view.plain && view.protocol == kProtocolUdp && header.gso_type == kGsoNone &&
                   view.length >= view.transport_offset + kUdpHeaderBytes;
  return whole_udp && voice_flows_.Observe(FlowOf(packet, view), view.length, now_);
}

void DataPlane::HandleTunPacket(uint8_t* data, size_t length, Lane* lane) {
  PacketView view;
  if (length < kVnetHeaderBytes || !ParsePacket(data + kVnetHeaderBytes, length - kVnetHeaderBytes, &view)) {
    counters_->Add(Counter::dropMalformedPacket);
    return;
  }
  // Neighbour discovery, multicast DNS and the like of the kernel itself.
  if (IsUnroutable(view.destination)) {
    counters_->Add(Counter::dropMulticast);
    return;
  }
  const IpAddress* own = view.v6 ? &local_hit_ : local_ipv4_.has_value() ? &*local_ipv4_ : nullptr;
  if (own == nullptr || !(view.source == *own)) {
    counters_->Add(Counter::dropForeignSource);
    return;
  }
  VnetHeader header;
  std::memcpy(&header, data, sizeof header);
  // Programs' packets have none yet, since this interface offers to add it up: few are read twice for this.
  bool complete = (header.flags & kVnetNeedsChecksum) == 0 && (header.gso_type & ~kGsoEcn) == kGsoNone;
  if (!HasRightChecksums(data + kVnetHeaderBytes, view, complete)) {
    counters_->Add(Counter::dropBadChecksum);
    return;
  }
  Link* link = tunnels_.Find(view.destination);
  if (link == nullptr) {
    switch (held_.Hold(view.destination, data, length, now_)) {
      case HeldPackets::Result::kFull:
        counters_->Add(Counter::dropHeldOverflow);
        return;
      case HeldPackets::Result::kFirst: {
        counters_->Add(Counter::misses);
        Event event;
        event.type = EventType::kMiss;
        event.remote.address = view.destination;
        // Nobody would ever come for it.
        if (!Emit(std::move(event))) {
          held_.Take(view.destination);
          counters_->Add(Counter::dropHeldOverflow);
          return;
        }
        [[fallthrough]];
      }
      case HeldPackets::Result::kHeld:
        counters_->Add(Counter::packetsHeld);
        return;
    }
  }
  SendPackets(link, lane, header, data + kVnetHeaderBytes, view.length);
}

void DataPlane::SendPackets(Link* link, Lane* lane, const VnetHeader& header, uint8_t* packet,
                            size_t length) {
  if (!link->path.has_value()) {
    counters_->Add(Counter::dropNoPath);
    return;
  }
  const size_t limit = PlaintextLimit(*link, link->path_mtu);
  Segmenter segmenter;
  if (!segmenter.Init(header, packet, length, Segmenter::Form::kCompressed, limit)) {
    counters_->Add(Counter::dropMalformedPacket);
    return;
  }
  if (link->resting) Stir(link, false);
  if (segmenter.largest() > limit) TellTooBig(link, packet, length, segmenter.largest(), limit);
  size_t first = segmenter.PacketLength(0);
  if (first > limit) {
    SendFragments(link, lane, header, packet, length, limit);
    return;
  }
  ReportLarge(link, first);
  const uint8_t traffic_class = OuterClass(packet);
  uint64_t bytes = 0;
  for (size_t i = 0; i < segmenter.packets(); i++) {
    size_t size = segmenter.PacketLength(i);
    if (!SealPacket(link, lane, traffic_class, size, [&](uint8_t* out) { segmenter.WritePacket(i, out); })) {
      counters_->Add(Counter::dropSendQueueFull, segmenter.packets() - i);
      break;
    }
    bytes += size;
  }
  counters_->Add(Counter::packetsOut, segmenter.packets());
  link->stats->AddSent(bytes, segmenter.packets());
  if (link->paths != nullptr && link->paths->Sent(segmenter.packets(), lane == &urgent_, now_))
    TendPaths(link);
  CheckKeys(link);
}

void DataPlane::SendFragments(Link* link, Lane* lane, const VnetHeader& header, uint8_t* packet,
                              size_t length, size_t limit) {
  if (fragment_buffer_ == nullptr) fragment_buffer_ = std::make_unique<uint8_t[]>(Backlog::kEntryBytes);
  const uint8_t traffic_class = OuterClass(packet);
  VnetHeader done = header;
  done.flags = 0;  // its checksum is complete already
  Segmenter segmenter;
  if (!segmenter.Init(done, packet, length, Segmenter::Form::kWhole, SIZE_MAX)) return;
  for (size_t i = 0; i < segmenter.packets(); i++) {
    segmenter.WritePacket(i, fragment_buffer_.get());
    Fragmenter fragmenter;
    if (!fragmenter.Init(fragment_buffer_.get(), segmenter.PacketLength(i), limit, next_identification_++)) {
      counters_->Add(Counter::dropMalformedPacket);
      continue;
    }
    uint64_t bytes = 0;
    for (size_t j = 0; j < fragmenter.fragments(); j++) {
      size_t size = fragmenter.FragmentLength(j);
      if (!SealPacket(link, lane, traffic_class, size,
                      [&](uint8_t* out) { fragmenter.WriteFragment(j, out); })) {
        counters_->Add(Counter::dropSendQueueFull, fragmenter.fragments() - j);
        break;
      }
      bytes += size;
    }
    ReportLarge(link, fragmenter.FragmentLength(0));
    counters_->Add(Counter::packetsOut);
    counters_->Add(Counter::packetsFragmented);
    link->stats->AddSent(bytes, fragmenter.fragments());
    if (link->paths != nullptr && link->paths->Sent(fragmenter.fragments(), lane == &urgent_, now_))
      TendPaths(link);
    CheckKeys(link);
  }
}

uint8_t DataPlane::OuterClass(const uint8_t* packet) const {
  uint8_t inner = TrafficClass(packet);
  return options_.copy_dscp ? inner : inner & kEcnMask;
}

template <typename Write>
bool DataPlane::SealPacket(Link* link, Lane* lane, uint8_t traffic_class, size_t size, Write write) {
  const RecordLayout layout = link->session->send_layout();
  const Slot slot = Reserve(lane, *link->path, size + layout.overhead, traffic_class);
  uint8_t* record = slot.data;
  if (record == nullptr) return false;
  write(record + layout.plaintext_offset);
  if (!link->session->SealRecord(record, size, kContentApplicationData, lane == &urgent_)) {
    // The place is taken: what goes out is dropped by the peer, and says nothing.
    std::memset(record, 0xff, size + layout.overhead);
    counters_->Add(Counter::dropSendFailed);
    Commit(lane, slot);
    return true;
  }
  if (lane != &urgent_ || link->paths == nullptr) [[likely]] {
    Commit(lane, slot);
    return true;
  }
  // The place is borrowed until the next one is reserved.
  link->newest_urgent.assign(record, record + size + layout.overhead);
  link->newest_urgent_class = traffic_class;
  Commit(lane, slot);
  const Path* spare = link->paths->SpareFor(link->newest_urgent.size());
  if (spare != nullptr && SendCopy(*spare, link->newest_urgent, traffic_class))
    link->paths->SentTwice(link->newest_urgent.size());
  return true;
}

bool DataPlane::SendCopy(const Path& path, const std::vector<uint8_t>& record, uint8_t traffic_class) {
  const Slot slot = Reserve(&urgent_, path, record.size(), traffic_class);
  if (slot.data == nullptr) return false;
  std::memcpy(slot.data, record.data(), record.size());
  Commit(&urgent_, slot);
  counters_->Add(Counter::recordsSentTwice);
  return true;
}

bool DataPlane::SendRecordTo(Link* link, const uint8_t* data, size_t length) {
  if (!link->path.has_value()) {
    counters_->Add(Counter::dropNoPath);
    return false;
  }
  return SendRecordOn(*link->path, link, data, length);
}

bool DataPlane::SendRecordOn(const Path& path, Link* link, const uint8_t* data, size_t length) {
  const RecordLayout layout = link->session->send_layout();
  if (length + layout.overhead > kMaxUdpPayload) {
    counters_->Add(Counter::dropOversizedRecord);
    return false;
  }
  const Slot slot = Reserve(&urgent_, path, length + layout.overhead);
  uint8_t* record = slot.data;
  if (record == nullptr) {
    counters_->Add(Counter::dropSendQueueFull);
    return false;
  }
  std::memcpy(record + layout.plaintext_offset, data, length);
  bool sealed = link->session->SealRecord(record, length, kContentApplicationData, true);
  if (!sealed) std::memset(record, 0xff, length + layout.overhead);
  Commit(&urgent_, slot);
  if (!sealed) {
    counters_->Add(Counter::dropSendFailed);
    return false;
  }
  link->stats->AddSent(length, 1);
  CheckKeys(link);
  return true;
}

}  // namespace idloc
