// Network to programs. Stages, in the order of the functions:
//   1. Inbound: batches of datagrams from the sockets of a lane (UDP_GRO)
//   2. HandleDatagram: told apart by the first byte (RFC 7983)
//   3. HandleRecords: the link that the connection ID or the remote tells, one DTLS record after the other,
//      opened in place
//   (paths.cc: by which path it came, and what that means for where we send)
//   4. HandleApplicationData: told apart by the first byte inside (DESIGN D3)
//   5. DeliverPacket: may this peer send it; its addresses put back; joined with its neighbours; written to
//      the TUN
//   (DeliverEarly: what came before that could be told)
#include <algorithm>
#include <cstring>

#include "data_plane/data_plane.h"
#include "link/link_control.h"
#include "link/record_format.h"
#include "net/compressed_header.h"
#include "net/ecn.h"
#include "net/stun_binding.h"
#include "udp/first_byte.h"

namespace idloc {

namespace {
constexpr uint8_t kReloadData = 0x80;
constexpr uint8_t kReloadAck = 0x81;
}  // namespace

void DataPlane::Inbound(Lane* lane, int budget) {
  Receive(lane, &lane->sockets.main(), budget);
  for (const auto& socket : lane->sockets.others()) {
    if (socket->ready || socket->receives) Receive(lane, socket.get(), budget);
  }
}

void DataPlane::Receive(Lane* lane, LaneSocket* socket, int budget) {
  UdpSocket::Received batch[UdpSocket::kBatch];
  for (int round = 0; round < budget; round++) {
    size_t count = socket->udp.Receive(batch, lane->sockets.buffers());
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
      const UdpSocket::Received& received = batch[i];
      Path path{received.local, received.remote};
      receiving_ = lane;
      outer_ecn_ = received.traffic_class & kEcnMask;
      if (path.is_stream()) [[unlikely]] {
        // Forged: no host has such an address.
        counters_->Add(Counter::dropStreamRefused);
        continue;
      }
      bytes += received.length + ReceiveDepth::kDatagramCost;
      for (size_t at = 0; at < received.length; at += received.segment) {
        HandleDatagram(received.data + at, std::min(received.segment, received.length - at), path);
      }
      outer_ecn_ = kNotEct;
      if (lane == &bulk_) ServeUrgent();
    }
    // Before the buffers are used again.
    lane->coalescer.Flush();
    bool more = count == UdpSocket::kBatch;
    socket->ready = more;
    socket->receives = socket->receives || count > 0;
    if (lane == &bulk_) {
      if (bytes > Schedule::kMuch) pause_ = std::max(pause_, Schedule::kPauseAfterReceived);
      bool is_main = socket == &lane->sockets.main();
      size_t depth = is_main ? receive_depth_.Read(bytes, more, MonotonicNow()) : 0;
      if (depth > 0) socket->udp.SetReceiveDepth(depth);
    }
    if (!more) return;
  }
}

void DataPlane::HandleDatagram(uint8_t* data, size_t length, const Path& path) {
  uint8_t first = data[0];
  if (first >= kFirstDtlsByte && first <= kLastDtlsByte) {
    HandleRecords(data, length, path);
  } else if (first <= kLastStunByte) {
    if (!turn_allocations_.empty() && IsSendIndication(data, length) && HandleTurnClient(data, length, path))
      return;
    counters_->Add(Counter::stunReceived);
    LinkTable::Binding* bound = links_.FindRemote(path.remote);
    if (length > kMaxPlainBytes || !TakesStun(bound, path)) {
      counters_->Add(Counter::dropStunFlood);
      return;
    }
    // Every peer asks once a minute: answered by JavaScript, half of what 10,000 idle links cost.
    uint8_t answer[kMaxBindingAnswer];
    if (size_t bytes = AnswerBinding(data, length, path.remote, answer); bytes > 0) {
      counters_->Add(Counter::bindingsAnswered);
      SendPlain(path, answer, bytes);
      return;
    }
    Event event;
    event.type = EventType::kStun;
    if (bound != nullptr) event.stats = bound->link->stats;
    event.local = {path.local, port()};
    event.remote = path.remote;
    event.data.assign(data, data + length);
    Emit(std::move(event));
  } else if (first >= kFirstChannelByte && first <= kLastChannelByte) {
    if (turn_allocations_.empty() || !HandleTurnClient(data, length, path))
      HandleChannelData(data, length, path);
  } else if (first == kBencodeByte) {
    counters_->Add(Counter::foreignReceived);
    if (length > kMaxPlainBytes || !foreign_limiter_.Take(path.remote.address, now_)) {
      counters_->Add(Counter::dropForeignFlood);
      return;
    }
    Event event;
    event.type = EventType::kForeign;
    event.local = {path.local, port()};
    event.remote = path.remote;
    event.data.assign(data, data + length);
    Emit(std::move(event));
  } else {
    counters_->Add(Counter::dropUnknownProtocol);
  }
}

bool DataPlane::TakesStun(LinkTable::Binding* bound, const Path& path) {
  if (bound == nullptr) return stun_limiter_.Take(path.remote.address, now_);
  const std::optional<Path>& used = bound->link->path;
  return check_limiter_.Take(bound, used.has_value() && used->remote == path.remote, now_);
}

void DataPlane::HandleRecords(uint8_t* data, size_t length, const Path& path) {
  RecordView record;
  size_t at = 0;
  for (; NextRecord(data + at, length - at, &record); at += record.length) {
    // Looked up for each record: one of them may have ended the link.
    LinkTable::Binding* binding = record.has_connection_id() ? nullptr : links_.FindRemote(path.remote);
    if (record.epoch == 0) {
      counters_->Add(Counter::handshakeReceived);
      if (IsClientHello(record)) {
        HandleClientHello(binding, record, path);
      } else if (binding == nullptr) {
        counters_->Add(Counter::dropUnboundHandshake);
      } else {
        ContinueHandshake(binding->link, record, path);
      }
      continue;
    }
    Link* link = nullptr;
    if (record.has_connection_id()) {
      link = links_.FindNamed(record.connection_id());
    } else if (binding != nullptr) {
      link = binding->link;
    }
    if (link == nullptr) {
      counters_->Add(record.has_connection_id() ? Counter::dropUnknownConnection
                                                : Counter::dropUnboundRecord);
      ReportUnknown(path);
      return;
    }
    // Of the successor can only be what ends a handshake that it has begun.
    bool successor_has_keys = link->session != nullptr && record.type != kContentApplicationData;
    if (!record.has_connection_id() && !link->connected && binding->previous != nullptr &&
        !successor_has_keys) {
      link = binding->previous;
    }
    if (!link->connected) {
      // Data that overtook the end of the handshake, of a peer without connection IDs: it is repeated.
      if (record.type == kContentApplicationData) {
        counters_->Add(Counter::dropNotConnected);
      } else {
        ContinueHandshake(link, record, path);
      }
      continue;
    }
    if (record.length > kMaxRecordBytes) {
      counters_->Add(Counter::dropOversizedRecord);
      continue;
    }
    Plaintext plaintext;
    bool newest = false;
    DtlsSession* session = SessionOf(link, record.epoch);
    if (session == nullptr) {
      counters_->Add(Counter::dropUnknownEpoch);
      continue;
    }
    DtlsSession::Opened opened;
    {
      // A server may have to repeat its last flight.
      FlightScope scope(this, link->path.has_value() ? *link->path : path, kNoFlightLimit);
      opened = session->OpenRecord(record, &plaintext, &newest);
    }
    if (opened != DtlsSession::Opened::kBad && opened != DtlsSession::Opened::kReplayed)
      KeysSeen(link, session);
    switch (opened) {
      case DtlsSession::Opened::kApplicationData:
        link->stats->AddReceived(plaintext.length);
        NoteHeard(link, record, plaintext, newest && session == link->session.get(), path);
        if (IsHop(plaintext.data, plaintext.length)) [[unlikely]] {
          CheckKeys(link);
          HandleHop(link, plaintext.data, plaintext.length, path);
          break;
        }
        if (TakePathRecord(link, path, plaintext.data, plaintext.length)) break;
        HandleApplicationData(link, plaintext.data, plaintext.length);
        CheckKeys(link);
        break;
      case DtlsSession::Opened::kClosed:
        EndLink(link, "closed by the peer");
        break;
      case DtlsSession::Opened::kReplayed:
        counters_->Add(Counter::dropReplayed);
        break;
      case DtlsSession::Opened::kBad:
        counters_->Add(Counter::dropBadRecord);
        CheckKeys(link);
        break;
      case DtlsSession::Opened::kNothing:
        break;
    }
  }
  if (at < length) counters_->Add(Counter::dropBadRecord);
}

void DataPlane::HandleApplicationData(Link* link, uint8_t* data, size_t length) {
  if (length == 0) return;
  uint8_t kind = data[0] >> 4;
  if (IsCompressed(data[0]) || kind == 4 || kind == 6) {
    DeliverPacket(link, data, length);
    return;
  }
  if (data[0] == kEchoRequest) {
    data[0] = kEchoReply;
    if (SendRecordTo(link, data, length)) counters_->Add(Counter::echoesAnswered);
    // It was not heard the first time.
    if (link->asleep && length == 1) TellAsleep(link);
    return;
  }
  if (data[0] == kProbeRequest && length >= kProbeReplyBytes) {
    NoteProbeOfPeer(link, length);
    data[0] = kProbeReply;
    if (SendRecordTo(link, data, kProbeReplyBytes)) counters_->Add(Counter::probesAnswered);
    return;
  }
  if (data[0] == kRekeyFlight) {
    HandleRekeyFlight(link, data + 1, length - 1);
    return;
  }
  // The record itself has said it, by its epoch.
  if (data[0] == kRekeyDone) return;
  if (data[0] == kAsleep) {
    link->peer_asleep = true;
    return;
  }
  // The answer to the data plane's own question (resting.cc): that it came is all that it says.
  if (data[0] == kEchoReply && length == 1) return;
  // One that overtook the end of the handshake.
  if (IsHop(data, length)) {
    counters_->Add(Counter::dropHopRefused);
    return;
  }
  if (kind != 2 && data[0] != kReloadData && data[0] != kReloadAck) {
    counters_->Add(Counter::dropUnexpectedContent);
    return;
  }
  counters_->Add(Counter::recordsReceived);
  Event event;
  event.type = EventType::kRecord;
  event.link = link->id;
  event.stats = link->stats;
  event.data.assign(data, data + length);
  Emit(std::move(event));
}

void DataPlane::DeliverPacket(Link* link, uint8_t* data, size_t length) {
  bool compressed = IsCompressed(data[0]);
  uint8_t version = InnerVersion(data[0]);
  PacketView view;
  if (!compressed && !ParsePacket(data, length, &view)) {
    counters_->Add(Counter::dropMalformedPacket);
    return;
  }
  // Those of TCP and UDP are the peer's word, which holds as well for a packet that it made up.
  if (!compressed && !HasRightChecksums(data, view, false)) {
    counters_->Add(Counter::dropBadChecksum);
    return;
  }
  const IpAddress* peer = version == 6 ? &link->hit : link->ipv4.has_value() ? &*link->ipv4 : nullptr;
  const IpAddress* own = version == 6 ? &local_hit_ : local_ipv4_.has_value() ? &*local_ipv4_ : nullptr;
  if (!link->authorized || peer == nullptr) {
    // The peer may have sent it right behind the end of the handshake; JavaScript is still verifying its
    // certificate, or looks its claim up.
    Nanoseconds until = now_ + (link->authorized ? EarlyPackets::kClaimTime : EarlyPackets::kAuthorizeTime);
    bool held = early_.Hold(link->id, data, compressed ? length : view.length, outer_ecn_, until);
    counters_->Add(held ? Counter::earlyHeld : Counter::dropEarlyOverflow);
    return;
  }
  if (!compressed && !(view.source == *peer)) {
    counters_->Add(Counter::dropInnerSource);
    return;
  }
  if (own == nullptr || (!compressed && !(view.destination == *own))) {
    counters_->Add(Counter::dropInnerDestination);
    return;
  }
  uint8_t expanded[kIpv6HeaderBytes];
  size_t header_bytes = 0;
  if (compressed && !ExpandHeader(data, length, *peer, *own, expanded, &view, &header_bytes)) {
    counters_->Add(Counter::dropBadCompressed);
    return;
  }
  if (outer_ecn_ != kNotEct && !ApplyOuterEcn(compressed ? expanded : data, outer_ecn_)) {
    counters_->Add(Counter::dropCongested);
    return;
  }
  counters_->Add(Counter::packetsIn);
  link->peer_asleep = false;
  if (link->resting) Stir(link, false);
  if (!tun_.valid()) return;
  if (compressed) {
    receiving_->coalescer.Add(expanded, data + header_bytes, view);
  } else {
    receiving_->coalescer.Add(data, data + view.transport_offset, view);
  }
}

void DataPlane::DeliverEarly(Link* link) {
  EarlyPackets::Entry early = early_.Take(link->id);
  // IPv4 goes on waiting while the claim is not known, but no longer than it would have.
  Nanoseconds until = std::min(early.until, now_ + EarlyPackets::kClaimTime);
  for (EarlyPackets::Packet& held : early.packets) {
    if (InnerVersion(held.bytes[0]) == 4 && !link->ipv4.has_value()) {
      early_.Hold(link->id, held.bytes.data(), held.bytes.size(), held.outer_ecn, until);
      continue;
    }
    counters_->Add(Counter::earlyReleased);
    outer_ecn_ = held.outer_ecn;
    DeliverPacket(link, held.bytes.data(), held.bytes.size());
    outer_ecn_ = kNotEct;
    // One by one: in order also between flows.
    receiving_->coalescer.Flush();
  }
}

}  // namespace idloc
