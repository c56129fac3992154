// Programs to network. Stages, in the order of the functions:
//   1. Outbound: super-packets from the TUN
//   2. HandleTunPacket: whose packet, to which link; held when there is none yet
//   3. SendPackets: split at the MSS, each packet sealed as one record in the transmit queue (UDP_SEGMENT)
#include <cstring>

#include "data_plane/data_plane.h"
#include "link/record_format.h"

namespace idloc {

void DataPlane::Outbound() {
  for (int round = 0; round < kTunBudget && !transmit_.blocked(); round++) {
    ssize_t length = tun_.Read(tun_buffer_.get(), kTunReadBytes);
    if (length <= 0) return;
    counters_->Add(Counter::tunReads);
    counters_->Add(Counter::tunReadBytes, static_cast<uint64_t>(length));
    HandleTunPacket(tun_buffer_.get(), static_cast<size_t>(length));
  }
}

void DataPlane::HandleTunPacket(uint8_t* data, size_t length) {
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
  VnetHeader header;
  std::memcpy(&header, data, sizeof header);
  SendPackets(link, header, data + kVnetHeaderBytes, view.length);
}

void DataPlane::SendPackets(Link* link, const VnetHeader& header, uint8_t* packet, size_t length) {
  Segmenter segmenter;
  if (!segmenter.Init(header, packet, length)) {
    counters_->Add(Counter::dropMalformedPacket);
    return;
  }
  if (!link->path.has_value()) {
    counters_->Add(Counter::dropNoPath, segmenter.packets());
    return;
  }
  const RecordLayout layout = link->session->send_layout();
  uint64_t bytes = 0;
  for (size_t i = 0; i < segmenter.packets(); i++) {
    size_t size = segmenter.PacketLength(i);
    if (size + layout.overhead > kMaxUdpPayload) {
      counters_->Add(Counter::dropOversizedRecord);
      return;
    }
    uint8_t* record = transmit_.Append(*link->path, size + layout.overhead);
    if (record == nullptr) {
      counters_->Add(Counter::dropSendQueueFull, segmenter.packets() - i);
      break;
    }
    segmenter.WritePacket(i, record + layout.plaintext_offset);
    if (!link->session->SealRecord(record, size, kContentApplicationData)) {
      // The place is taken: what goes out is dropped by the peer, and says nothing.
      std::memset(record, 0xff, size + layout.overhead);
      counters_->Add(Counter::dropSendFailed);
      continue;
    }
    bytes += size;
  }
  counters_->Add(Counter::packetsOut, segmenter.packets());
  link->stats->AddSent(bytes, segmenter.packets());
}

bool DataPlane::SendRecordTo(Link* link, const uint8_t* data, size_t length) {
  const RecordLayout layout = link->session->send_layout();
  if (length + layout.overhead > kMaxUdpPayload) {
    counters_->Add(Counter::dropOversizedRecord);
    return false;
  }
  if (!link->path.has_value()) {
    counters_->Add(Counter::dropNoPath);
    return false;
  }
  uint8_t* record = transmit_.Append(*link->path, length + layout.overhead);
  if (record == nullptr) {
    counters_->Add(Counter::dropSendQueueFull);
    return false;
  }
  std::memcpy(record + layout.plaintext_offset, data, length);
  if (!link->session->SealRecord(record, length, kContentApplicationData)) {
    std::memset(record, 0xff, length + layout.overhead);
    counters_->Add(Counter::dropSendFailed);
    return false;
  }
  link->stats->AddSent(length, 1);
  return true;
}

}  // namespace idloc
