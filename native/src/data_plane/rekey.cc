// New keys for a link, make before break: DTLS 1.2 could only renegotiate, so a new association takes over
// from the old one. Its handshake goes inside the old one, where nobody else can begin, change or see it; its
// records have the next epoch, which tells them apart on the same path and under the same connection IDs.
//
//   client                                                server
//   CheckKeys: enough records or hours
//   StartRekey: ClientHello ---------kRekeyFlight-------> HandleRekeyFlight: a successor
//        <------------------------flights both ways------>
//   server's Finished came: UseSuccessor
//        ------------kRekeyDone, data in the new epoch--> KeysSeen: UseSuccessor
//   KeysSeen: old keys go after a while                   old keys go after a while
//
// Only the client begins, so both ends cannot begin at once. Each end sends in the new epoch when it knows
// that the other has its keys. A peer that knows nothing of this does not answer, and the old keys go on.
#include <algorithm>
#include <cstring>
#include <utility>

#include "data_plane/data_plane.h"
#include "link/link_control.h"

namespace idloc {

// Flights of the handshake go inside the link while the scope lasts.
class DataPlane::RekeyScope {
 public:
  RekeyScope(DataPlane* plane, Link* link) : plane_(plane) { plane->rekey_link_ = link; }
  RekeyScope(const RekeyScope&) = delete;
  RekeyScope& operator=(const RekeyScope&) = delete;
  ~RekeyScope() { plane_->rekey_link_ = nullptr; }

 private:
  DataPlane* plane_;  // borrowed: outlives the scope
};

void DataPlane::CheckKeys(Link* link) {
  const DtlsSession& session = *link->session;
  bool due = session.records() >= options_.rekey_records || now_ >= link->rekey_at || session.used_up();
  if (!due || link->keys_due) return;
  if (!session.used_up()) {
    bool under_way = link->rekeying != nullptr && link->rekeying->next != nullptr;
    if (link->server || under_way || now_ < link->rekey_not_before) return;
  }
  // Later: the caller is in the middle of sending or receiving.
  link->keys_due = true;
  keys_due_.push_back(link->id);
}

bool DataPlane::MakeSuccessor(Link* link) {
  if (ssl_context_ == nullptr) return false;
  auto next = DtlsSession::CreateSuccessor(ssl_context_.get(), *link->session, SendFlight, this);
  if (next == nullptr) return false;
  if (link->rekeying == nullptr) link->rekeying = std::make_unique<Rekeying>();
  Rekeying& rekeying = *link->rekeying;
  // Its epoch is two behind by now.
  rekeying.retired = nullptr;
  rekeying.retired_until = kNever;
  rekeying.next = std::move(next);
  rekeying.started_at = now_;
  rekeying.retransmit_at = kNever;
  if (std::find(rekeying_.begin(), rekeying_.end(), link->id) == rekeying_.end())
    rekeying_.push_back(link->id);
  return true;
}

bool DataPlane::MayPeerRekey(Link* link) {
  // Half of what our own clients wait for, and not by their numbers, which are the peer's to choose: whoever
  // has sent so much may have it.
  uint64_t carried = link->stats->rx_packets.load(std::memory_order_relaxed) +
                     link->stats->tx_packets.load(std::memory_order_relaxed);
  if (carried - link->carried_at_rekey >= options_.rekey_records / 2) {
    link->carried_at_rekey = carried;
    return true;
  }
  Nanoseconds paid_until =
      std::max(link->rekey_paid_until, now_ - kPeerRekeyBurst * kPeerRekeyInterval) + kPeerRekeyInterval;
  if (paid_until > now_) return false;
  link->rekey_paid_until = paid_until;
  return true;
}

void DataPlane::StartRekey(Link* link) {
  if (!MakeSuccessor(link)) {
    counters_->Add(Counter::rekeysFailed);
    link->rekey_not_before = now_ + kRekeyPause;
    return;
  }
  {
    RekeyScope scope(this, link);
    link->rekeying->next->Start();
  }
  AfterRekeyStep(link);
}

void DataPlane::SendRekeyFlight(const uint8_t* data, size_t length) {
  uint8_t record[1 + 2 * DtlsSession::kHandshakeMtu];
  if (length >= sizeof record) return;
  record[0] = kRekeyFlight;
  std::memcpy(record + 1, data, length);
  SendRecordTo(rekey_link_, record, 1 + length);
}

void DataPlane::HandleRekeyFlight(Link* link, uint8_t* data, size_t length) {
  RecordView record;
  for (size_t at = 0; NextRecord(data + at, length - at, &record); at += record.length) {
    DtlsSession* next = link->rekeying == nullptr ? nullptr : link->rekeying->next.get();
    ClientHelloView hello;
    if (link->server && ParseClientHello(record, &hello) &&
        (next == nullptr || !next->HasClientRandom(hello.random))) {
      if (!MayPeerRekey(link)) {
        counters_->Add(Counter::dropRekeyFlood);
        return;
      }
      if (!MakeSuccessor(link)) return;
      next = link->rekeying->next.get();
    }
    if (next == nullptr) {
      counters_->Add(Counter::dropStaleHandshake);
      return;
    }
    RekeyScope scope(this, link);
    if (next->state() == DtlsSession::State::kConnected) {
      // The client repeats its Finished when it has lost ours.
      Plaintext ignored;
      bool newest = false;
      next->OpenRecord(record, &ignored, &newest);
    } else {
      next->HandleHandshakeRecord(record);
      AfterRekeyStep(link);
    }
  }
}

void DataPlane::AfterRekeyStep(Link* link) {
  Rekeying& rekeying = *link->rekeying;
  switch (rekeying.next->state()) {
    case DtlsSession::State::kHandshaking:
      // There is no time for it while a ClientHello is not all there.
      rekeying.retransmit_at =
          std::min(rekeying.next->NextTimeout(now_), rekeying.started_at + kHandshakeLifetime);
      return;
    case DtlsSession::State::kFailed:
      FailRekey(link);
      return;
    case DtlsSession::State::kConnected:
      break;
  }
  rekeying.retransmit_at = kNever;
  rekeying.next->ReleaseHandshake();
  trimmer_.HandshakeFreed(now_);
  if (link->server) return;
  UseSuccessor(link);
  SayRekeyDone(link);
}

void DataPlane::FailRekey(Link* link) {
  counters_->Add(Counter::rekeysFailed);
  link->rekeying->next = nullptr;
  link->rekeying->retransmit_at = kNever;
  link->rekey_not_before = now_ + kRekeyPause;
}

void DataPlane::UseSuccessor(Link* link) {
  Rekeying& rekeying = *link->rekeying;
  rekeying.retired = std::exchange(link->session, std::move(rekeying.next));
  // The client still gets records in the old epoch until the server has one in the new.
  rekeying.retired_until = link->server ? now_ + kRetiredKeysTime : kNever;
  link->rekey_at = now_ + kRekeyTime;
  counters_->Add(Counter::rekeysCompleted);
  link->stats->rekeys.fetch_add(1, std::memory_order_relaxed);
}

void DataPlane::SayRekeyDone(Link* link) {
  link->rekeying->done_said_at = now_;
  SendRecordTo(link, &kRekeyDone, 1);
}

DtlsSession* DataPlane::SessionOf(Link* link, uint16_t epoch) {
  if (link->session->epoch() == epoch) return link->session.get();
  if (link->rekeying != nullptr) {
    DtlsSession* next = link->rekeying->next.get();
    if (next != nullptr && next->epoch() == epoch && next->state() == DtlsSession::State::kConnected)
      return next;
    DtlsSession* retired = link->rekeying->retired.get();
    if (retired != nullptr && retired->epoch() == epoch) return retired;
  }
  return nullptr;
}

void DataPlane::KeysSeen(Link* link, const DtlsSession* session) {
  if (link->rekeying == nullptr) return;
  Rekeying& rekeying = *link->rekeying;
  if (session == rekeying.next.get()) {
    UseSuccessor(link);
  } else if (rekeying.retired == nullptr || link->server) {
    return;
  } else if (session == rekeying.retired.get()) {
    // The server sends in the old epoch: what told it of the new one was lost.
    if (now_ - rekeying.done_said_at >= kRekeyDoneInterval) SayRekeyDone(link);
  } else if (rekeying.retired_until == kNever) {
    rekeying.retired_until = now_ + kRetiredKeysTime;
  }
}

Nanoseconds DataPlane::NextRekeyTimeout() const {
  Nanoseconds next = keys_due_.empty() ? kNever : now_;
  for (LinkId id : rekeying_) {
    auto found = links_.all().find(id);
    if (found == links_.all().end() || found->second->rekeying == nullptr) continue;
    const Rekeying& rekeying = *found->second->rekeying;
    if (rekeying.next != nullptr) next = std::min(next, rekeying.retransmit_at);
    if (rekeying.retired != nullptr) next = std::min(next, rekeying.retired_until);
  }
  return next;
}

void DataPlane::RunRekeyTimers() {
  for (LinkId id : std::exchange(keys_due_, {})) {
    Link* link = links_.Find(id);
    if (link == nullptr) continue;
    link->keys_due = false;
    if (link->session->used_up()) {
      EndLink(link, "its keys are used up");
    } else {
      StartRekey(link);
    }
  }
  for (size_t i = 0; i < rekeying_.size(); i++) {
    Link* link = links_.Find(rekeying_[i]);
    Rekeying* rekeying = link == nullptr ? nullptr : link->rekeying.get();
    if (rekeying != nullptr && rekeying->next != nullptr && rekeying->retransmit_at != kNever) {
      if (now_ >= rekeying->started_at + kHandshakeLifetime) {
        FailRekey(link);
      } else if (now_ >= rekeying->retransmit_at) {
        RekeyScope scope(this, link);
        rekeying->next->HandleTimeout();
        AfterRekeyStep(link);
      }
    }
    if (rekeying != nullptr && now_ >= rekeying->retired_until) {
      rekeying->retired = nullptr;
      rekeying->retired_until = kNever;
    }
    if (rekeying != nullptr && (rekeying->next != nullptr || rekeying->retired != nullptr)) continue;
    rekeying_[i--] = rekeying_.back();
    rekeying_.pop_back();
  }
}

}  // namespace idloc
