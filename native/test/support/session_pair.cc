#include "support/session_pair.h"

#include <utility>

#include "support/check.h"
#include "support/credentials.h"

namespace idloc::test {

SessionPair::SessionPair(bool connection_ids) : context_(MakeContext()) {
  constexpr ConnectionId kClientId = {1, 2, 3, 4, 5, 6, 7, 8};
  constexpr ConnectionId kServerId = {9, 10, 11, 12, 13, 14, 15, 16};
  client_ = DtlsSession::Create(context_.get(), false, connection_ids ? &kClientId : nullptr, Output, this);
  server_ = DtlsSession::Create(context_.get(), true, connection_ids ? &kServerId : nullptr, Output, this);
  CHECK(client_ != nullptr && server_ != nullptr);
  client_->Start();
  DtlsSession* to = server_.get();
  while (!sent_.empty()) {
    for (Bytes& datagram : TakeSent()) {
      RecordView record;
      for (size_t at = 0; NextRecord(datagram.data() + at, datagram.size() - at, &record);
           at += record.length)
        to->HandleHandshakeRecord(record);
    }
    to = to == server_.get() ? client_.get() : server_.get();
  }
  CHECK(client_->state() == DtlsSession::State::kConnected);
  CHECK(server_->state() == DtlsSession::State::kConnected);
}

std::vector<Bytes> SessionPair::TakeSent() { return std::exchange(sent_, {}); }

void SessionPair::Output(void* owner, const uint8_t* data, size_t length) {
  static_cast<SessionPair*>(owner)->sent_.emplace_back(data, data + length);
}

}  // namespace idloc::test
