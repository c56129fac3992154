// The path MTU of links: what JavaScript has found out about it, what programs and JavaScript are told,
// probes.
#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "data_plane/data_plane.h"
#include "link/link_control.h"
#include "link/record_format.h"
#include "net/compressed_header.h"
#include "tunnel/icmp_error.h"

namespace idloc {

size_t DataPlane::PlaintextLimit(const Link& link, size_t datagram) {
  if (link.path->is_hop()) return datagram - kHopOverhead - link.session->send_layout().overhead;
  if (link.path->is_turn()) datagram -= kChannelHeaderBytes;
  // As kHopOverhead: to the server it may be the larger family.
  bool is_v4 = link.path->remote.address.is_v4() && !link.path->is_turn();
  size_t headers = kUdpHeaderBytes + (is_v4 ? kIpv4HeaderBytes : kIpv6HeaderBytes);
  return datagram - headers - link.session->send_layout().overhead;
}

void DataPlane::TellNewPath(Link* link) {
  link->path_mtu = kBasePathMtu;
  Event event;
  event.type = EventType::kNewPath;
  event.link = link->id;
  event.remote = link->path->remote;
  Emit(std::move(event));
}

void DataPlane::Handle(SetPathMtu& command) {
  Link* link = links_.Find(command.link);
  if (link != nullptr) link->path_mtu = std::clamp(command.bytes, kLeastPathMtu, kMostPathMtu);
}

void DataPlane::Handle(SendProbe& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr || !link->connected) return;
  SendProbeTo(link, std::clamp(command.bytes, kLeastPathMtu, kMostPathMtu), command.id);
}

void DataPlane::TellTooBig(Link* link, const uint8_t* packet, size_t length, size_t largest, size_t limit) {
  bool v6 = packet[0] >> 4 == 6;
  // RFC 1191 s4: only who forbids fragments asks for it.
  if (!v6 && (packet[6] & 0x40) == 0) return;
  size_t replaced = CompressibleBytes(packet);
  size_t mtu = limit;
  if (replaced != 0) mtu += replaced - (v6 ? kCompressedIpv6Bytes : kCompressedIpv4Bytes);
  // RFC 8200 s5: below that, the source cannot be told; what it sends is fragmented here.
  if (v6) mtu = std::max(mtu, kLeastIpv6Mtu);
  Nanoseconds& next = link->next_too_big_at[v6 ? 1 : 0];
  if (largest <= mtu || now_ < next) return;
  next = now_ + kTooBigInterval;
  uint8_t answer[kMaxIcmpErrorBytes];
  size_t answer_bytes = MakeTooBig(packet, length, mtu, answer);
  if (answer_bytes == 0) return;
  counters_->Add(Counter::tooBigSent);
  bulk_.coalescer.WriteSingle(answer, answer_bytes);
}

void DataPlane::ReportLarge(Link* link, size_t plaintext) {
  if (link->path_mtu <= kBasePathMtu || now_ < link->next_large_report_at) return;
  if (plaintext > PlaintextLimit(*link, kBasePathMtu)) TellReliesOnPathMtu(link);
}

void DataPlane::NoteProbeOfPeer(Link* link, size_t plaintext) {
  if (!link->path.has_value() || link->path_mtu <= kBasePathMtu || now_ < link->next_large_report_at) return;
  if (plaintext < PlaintextLimit(*link, link->path_mtu)) TellReliesOnPathMtu(link);
}

void DataPlane::TellReliesOnPathMtu(Link* link) {
  link->next_large_report_at = now_ + kLargeReportInterval;
  Event event;
  event.type = EventType::kLargeSent;
  event.link = link->id;
  Emit(std::move(event));
}

void DataPlane::SendProbeTo(Link* link, size_t datagram, uint32_t id) {
  if (!link->path.has_value()) return;
  const RecordLayout layout = link->session->send_layout();
  size_t length = PlaintextLimit(*link, datagram);
  if (length + layout.overhead > Backlog::kEntryBytes) return;
  if (fragment_buffer_ == nullptr) fragment_buffer_ = std::make_unique<uint8_t[]>(Backlog::kEntryBytes);
  uint8_t* record = fragment_buffer_.get();
  std::memset(record + layout.plaintext_offset, 0, length);
  record[layout.plaintext_offset] = kProbeRequest;
  StoreBe32(record + layout.plaintext_offset + 1, id);
  if (!link->session->SealRecord(record, length, kContentApplicationData, true)) return;
  counters_->Add(Counter::probesSent);
  // Alone, and whatever becomes of it: an interface that refuses it is as good an answer as a path that loses
  // it.
  SendVia(*link->path, record, length + layout.overhead);
}

}  // namespace idloc
