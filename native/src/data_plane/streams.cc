// Streams (stream/streams.h): what comes by one is handled as if it had come to a socket, in the lane that
// its sender chose; what leaves by one is written to its queue (Reserve, Commit).
#include "data_plane/data_plane.h"
#include "link/record_format.h"
#include "net/ecn.h"
#include "relay/hop.h"
#include "relay/turn_channels.h"

namespace idloc {

namespace {

// As the kernel tells what comes by UDP (UdpSocket::OpenUrgent).
bool IsUrgentDatagram(const uint8_t* data, size_t length) {
  bool is_record = length > kRecordHeaderBytes && LoadBe16(data + kRecordEpochOffset) != 0 && data[0] > 3;
  if (!is_record) return true;
  size_t nonce = kRecordHeaderBytes + (data[0] == kContentConnectionId ? kConnectionIdBytes : 0);
  return length > nonce && (data[nonce] & kUrgentNonceBit) != 0;
}

bool IsOfTurnClient(const Path& path) {
  return !(path.local == kStreamLocal || path.local == kTurnServerLocal);
}

bool IsChannelData(const uint8_t* data) {
  return data[0] >= kFirstChannelByte && data[0] <= kLastChannelByte;
}

}  // namespace

void DataPlane::RunStreams() {
  streams_.Run(now_, [this](const Path& path, Framing framing, uint8_t* data, size_t length) {
    HandleStreamed(path, framing, data, length);
  });
  receiving_ = &bulk_;
}

void DataPlane::HandleStreamed(const Path& path, Framing framing, uint8_t* data, size_t length) {
  if (IsOfTurnClient(path)) {
    HandleStreamClient(data, length, path);
    return;
  }
  // A TURN server sends STUN and ChannelData, and no DTLS of its own; a member no channels.
  const bool of_turn = framing == Framing::kTurn;
  if (of_turn ? data[0] > kLastStunByte && !IsChannelData(data) : !MayHop(data, length)) {
    counters_->Add(Counter::dropStreamRefused);
    return;
  }
  size_t header = of_turn && IsChannelData(data) ? kChannelHeaderBytes : 0;
  bool urgent = length > header && IsUrgentDatagram(data + header, length - header);
  receiving_ = urgent ? &urgent_ : &bulk_;
  outer_ecn_ = kNotEct;
  HandleDatagram(data, length, path);
  // The datagram is borrowed no longer than this.
  receiving_->coalescer.Flush();
}

void DataPlane::TendStreams() {
  streams_.HandleTimeout(now_, [this](const Path& path, bool dialed) {
    if (IsOfTurnClient(path)) return turn_allocations_.HasClient(path);
    const LinkTable::Binding* binding = links_.FindRemote(path.remote);
    if (binding == nullptr) return false;
    const Link& link = *binding->link;
    if (!dialed) return link.connected;
    // It may come to be needed again: what is kept for that is no more than its name.
    bool is_spare = link.paths != nullptr && link.paths->Knows(path);
    return is_spare || (link.path.has_value() && link.path->remote == path.remote);
  });
}

void DataPlane::LeaveStreams() {
  streams_.NetworkChanged([this](const IpAddress& address) { return uplinks_.HasAddress(address); });
}

void DataPlane::Handle(DialStream& command) { streams_.Dial(command.remote, now_); }

void DataPlane::Handle(DialTurn& command) { streams_.DialTurn(std::move(*command.dial), now_); }

void DataPlane::Handle(HangUpTurn& command) { streams_.HangUp(command.id); }

void DataPlane::Handle(ShowStreamCertificate& command) {
  streams_.ShowCertificate(std::move(command.context));
}

void DataPlane::TellTurnEnded(uint32_t id, std::string reason) {
  Event event;
  event.type = EventType::kTurnEnded;
  event.link = id;
  event.reason = std::move(reason);
  Emit(std::move(event));
}

}  // namespace idloc
