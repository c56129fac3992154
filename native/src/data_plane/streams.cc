// Streams (stream/streams.h): what comes by one is handled as if it had come to a socket, in the lane that
// its sender chose; what leaves by one is written to its queue (Reserve, Commit).
#include "data_plane/data_plane.h"
#include "link/record_format.h"
#include "net/ecn.h"
#include "relay/hop.h"

namespace idloc {

namespace {

// As the kernel tells what comes by UDP (UdpSocket::OpenUrgent).
bool IsUrgentDatagram(const uint8_t* data, size_t length) {
  bool is_record = length > kRecordHeaderBytes && LoadBe16(data + kRecordEpochOffset) != 0 && data[0] > 3;
  if (!is_record) return true;
  size_t nonce = kRecordHeaderBytes + (data[0] == kContentConnectionId ? kConnectionIdBytes : 0);
  return length > nonce && (data[nonce] & kUrgentNonceBit) != 0;
}

}  // namespace

void DataPlane::RunStreams() {
  streams_.Run(now_, [this](const Endpoint& remote, uint8_t* data, size_t length) {
    HandleStreamed(remote, data, length);
  });
  receiving_ = &bulk_;
}

void DataPlane::HandleStreamed(const Endpoint& remote, uint8_t* data, size_t length) {
  if (!MayHop(data, length)) {
    counters_->Add(Counter::dropStreamRefused);
    return;
  }
  receiving_ = IsUrgentDatagram(data, length) ? &urgent_ : &bulk_;
  outer_ecn_ = kNotEct;
  HandleDatagram(data, length, Path{kStreamLocal, remote});
  // The datagram is borrowed no longer than this.
  receiving_->coalescer.Flush();
}

void DataPlane::TendStreams() {
  streams_.HandleTimeout(now_, [this](const Endpoint& remote, bool dialed) {
    const LinkTable::Binding* binding = links_.FindRemote(remote);
    if (binding == nullptr) return false;
    const Link& link = *binding->link;
    if (!dialed) return link.connected;
    // It may come to be needed again: what is kept for that is no more than its name.
    bool is_spare = link.paths != nullptr && link.paths->Knows(Path{kStreamLocal, remote});
    return is_spare || (link.path.has_value() && link.path->remote == remote);
  });
}

void DataPlane::LeaveStreams() {
  streams_.NetworkChanged([this](const IpAddress& address) { return uplinks_.HasAddress(address); });
}

void DataPlane::Handle(DialStream& command) { streams_.Dial(command.remote, now_); }

}  // namespace idloc
