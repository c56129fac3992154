// This host as a TURN server (relay/turn_server.h), both ways:
//   1. HandleTurnClient: ChannelData and Send indications of a client with an allocation, to a peer
//   2. ReceiveRelayed: what comes to a relayed port, to its client
// A client's datagrams come as all others do, or by a stream of its own (HandleStreamClient), whose end is
// that of its allocation.
#include <openssl/rand.h>
#include <sys/epoll.h>

#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "data_plane/data_plane.h"
#include "net/sockaddr.h"
#include "net/stun_binding.h"
#include "relay/turn_channels.h"
#include "relay/turn_server.h"
#include "udp/first_byte.h"

namespace idloc {

bool DataPlane::HandleTurnClient(uint8_t* data, size_t length, const Path& path) {
  if (!turn_allocations_.HasClient(path)) return false;
  TurnAllocation* allocation = nullptr;
  Endpoint peer;
  const uint8_t* content = nullptr;
  size_t bytes = 0;
  if (IsSendIndication(data, length)) {
    std::optional<SendIndication> sent = ReadSendIndication(data, length);
    if (sent.has_value()) {
      peer = sent->peer;
      content = sent->data;
      bytes = sent->length;
      allocation = turn_allocations_.FindClient(path, peer.address);
    }
  } else {
    std::optional<ChannelData> sent = ReadChannelData(data, length);
    if (sent.has_value()) allocation = turn_allocations_.FindChannel(path, sent->number, now_);
    if (allocation != nullptr) {
      peer = *allocation->PeerOf(sent->number, now_);
      content = sent->data;
      bytes = sent->length;
    }
  }
  // Of this host nothing but other relayed ports is within reach: whoever sends from there is no stranger to
  // it.
  bool own = allocation != nullptr && peer.address == allocation->relayed.address &&
             !turn_allocations_.IsRelayed(peer);
  if (allocation == nullptr || content == nullptr || own || !allocation->IsPermitted(peer.address, now_)) {
    counters_->Add(Counter::dropTurnRefused);
    return true;
  }
  if (!turn_quota_.Take(allocation->user, bytes, now_)) {
    counters_->Add(Counter::dropTurnQuota);
    return true;
  }
  sockaddr_storage name{};
  socklen_t size = ToSockaddr(peer, &name);
  ssize_t sent = sendto(allocation->socket.get(), content, bytes, MSG_DONTWAIT | MSG_NOSIGNAL,
                        reinterpret_cast<sockaddr*>(&name), size);
  if (sent < 0) {
    counters_->Add(Counter::dropSendFailed);
    return true;
  }
  counters_->Add(Counter::turnRelayed);
  counters_->Add(Counter::turnRelayedBytes, bytes);
  return true;
}

void DataPlane::HandleStreamClient(uint8_t* data, size_t length, const Path& client) {
  constexpr uint16_t kClassBits = 0x0110;  // RFC 8489 s5; none of them: a request
  bool is_request = data[0] <= kLastStunByte && (LoadBe16(data) & kClassBits) == 0;
  if (!is_request) {
    if (!HandleTurnClient(data, length, client)) counters_->Add(Counter::dropTurnRefused);
    return;
  }
  counters_->Add(Counter::stunReceived);
  if (length > kMaxPlainBytes || !stun_limiter_.Take(client.remote.address, now_)) {
    counters_->Add(Counter::dropStunFlood);
    return;
  }
  uint8_t answer[kMaxBindingAnswer];
  const Endpoint seen{client.remote.address.swapped_for_stream(), client.remote.port};
  if (size_t bytes = AnswerBinding(data, length, seen, answer); bytes > 0) {
    counters_->Add(Counter::bindingsAnswered);
    SendPlain(client, answer, bytes);
    return;
  }
  Event event;
  event.type = EventType::kStun;
  event.local = {client.local, port()};
  event.remote = client.remote;
  event.data.assign(data, data + length);
  Emit(std::move(event));
}

void DataPlane::StreamClientLeft(const Path& client) {
  if (!turn_allocations_.HasClient(client)) return;
  turn_allocations_.RemoveClient(client);
  TellTurnLeft(client);
}

void DataPlane::TellTurnLeft(const Path& client) {
  Event event;
  event.type = EventType::kTurnLeft;
  event.local = {client.local, port()};
  event.remote = client.remote;
  Emit(std::move(event));
}

void DataPlane::ReceiveRelayed(TurnAllocation* allocation) {
  uint8_t data[kMostRelayed];
  for (int round = 0; round < kRelayedBudget; round++) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ssize_t got = recvfrom(allocation->socket.get(), data, sizeof data, MSG_DONTWAIT | MSG_TRUNC,
                           reinterpret_cast<sockaddr*>(&name), &size);
    // Errors are about datagrams sent earlier; being read clears them.
    if (got < 0) return;
    auto length = static_cast<size_t>(got);
    Endpoint peer = FromSockaddr(name);
    if (length > sizeof data || !allocation->IsPermitted(peer.address, now_)) {
      counters_->Add(Counter::dropTurnRefused);
      continue;
    }
    if (!turn_quota_.Take(allocation->user, length, now_)) {
      counters_->Add(Counter::dropTurnQuota);
      continue;
    }
    uint16_t channel = allocation->ChannelOf(peer, now_);
    size_t total = channel != 0 ? kChannelHeaderBytes + length : DataIndicationBytes(peer, length);
    const Slot slot = ReserveDirect(&bulk_, allocation->client, total, 0);
    uint8_t* out = slot.data;
    if (out == nullptr) {
      counters_->Add(allocation->client.is_stream() ? Counter::dropStreamFull : Counter::dropSendQueueFull);
      continue;
    }
    if (channel != 0) {
      WriteChannelHeader(out, channel, length);
      std::memcpy(out + kChannelHeaderBytes, data, length);
    } else {
      uint8_t transaction[12] = {};
      RAND_bytes(transaction, sizeof transaction);
      std::memcpy(WriteDataIndication(out, peer, length, transaction), data, length);
    }
    Commit(&bulk_, slot);
    counters_->Add(Counter::turnRelayed);
    counters_->Add(Counter::turnRelayedBytes, length);
  }
}

void DataPlane::Handle(SetTurnQuota& command) { turn_quota_.SetRate(command.bytes_per_second); }

void DataPlane::Handle(AddTurnAllocation& command) {
  if (command.client.is_stream() && !streams_.IsTurnClient(command.client)) {
    // It has left while JavaScript decided.
    TellTurnLeft(command.client);
    return;
  }
  TurnAllocation* added = turn_allocations_.Add(
      TurnAllocation(command.id, command.user, command.client, command.relayed, std::move(command.socket)));
  if (added == nullptr) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = added->socket.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, added->socket.get(), &event);
}

// Closed, its socket is watched no more.
void DataPlane::Handle(RemoveTurnAllocation& command) { turn_allocations_.Remove(command.id); }

void DataPlane::Handle(PermitTurnPeer& command) {
  TurnAllocation* allocation = turn_allocations_.Find(command.id);
  if (allocation == nullptr) return;
  if (command.channel == 0) {
    allocation->Permit(command.peer.address, now_);
  } else {
    allocation->Bind(command.peer, command.channel, now_);
  }
}

}  // namespace idloc
