#include "relay/turn_server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "net/sockaddr.h"

namespace idloc {

namespace {

constexpr size_t kHeaderBytes = 20;
constexpr size_t kAttributeHeaderBytes = 4;
constexpr uint32_t kMagicCookie = 0x2112a442;
constexpr uint16_t kSend = 0x0016;
constexpr uint16_t kDataIndication = 0x0017;
constexpr uint16_t kXorPeerAddress = 0x0012;
constexpr uint16_t kData = 0x0013;
// RFC 8489 s14: those below are comprehension-required.
constexpr uint16_t kFirstOptional = 0x8000;
// What may wait at a relayed port: a video call's worth.
constexpr int kPortBufferBytes = 256 * 1024;

// RFC 8489 s14.2: masked by the cookie and, of IPv6, the transaction, as they stand in the message.
std::optional<Endpoint> ReadXorAddress(const uint8_t* message, const uint8_t* value, size_t length) {
  bool v4 = length == 8 && value[1] == 1;
  bool v6 = length == 20 && value[1] == 2;
  if (!v4 && !v6) return std::nullopt;
  uint8_t bytes[16];
  for (size_t i = 0; i < length - 4; i++) bytes[i] = value[4 + i] ^ message[4 + i];
  auto port = static_cast<uint16_t>(LoadBe16(value + 2) ^ (kMagicCookie >> 16));
  return Endpoint{v4 ? IpAddress::FromV4(bytes) : IpAddress::FromV6(bytes), port};
}

size_t Padded(size_t length) { return (length + 3) / 4 * 4; }

}  // namespace

bool IsSendIndication(const uint8_t* message, size_t length) {
  return length >= kHeaderBytes && LoadBe16(message) == kSend && LoadBe32(message + 4) == kMagicCookie;
}

std::optional<SendIndication> ReadSendIndication(const uint8_t* message, size_t length) {
  if (!IsSendIndication(message, length) || LoadBe16(message + 2) != length - kHeaderBytes || length % 4 != 0)
    return std::nullopt;
  std::optional<Endpoint> peer;
  const uint8_t* data = nullptr;
  size_t data_length = 0;
  for (size_t at = kHeaderBytes; at < length;) {
    // The rest is a multiple of four.
    uint16_t type = LoadBe16(message + at);
    size_t bytes = LoadBe16(message + at + 2);
    const uint8_t* value = message + at + kAttributeHeaderBytes;
    size_t next = at + kAttributeHeaderBytes + Padded(bytes);
    if (next > length) return std::nullopt;
    if (type == kXorPeerAddress && !peer.has_value()) {
      peer = ReadXorAddress(message, value, bytes);
      if (!peer.has_value()) return std::nullopt;
    } else if (type == kData && data == nullptr) {
      data = value;
      data_length = bytes;
    } else if (type < kFirstOptional && type != kXorPeerAddress && type != kData) {
      return std::nullopt;
    }
    at = next;
  }
  if (!peer.has_value() || peer->port == 0 || data == nullptr) return std::nullopt;
  return SendIndication{*peer, data, data_length};
}

size_t DataIndicationBytes(const Endpoint& peer, size_t length) {
  size_t address = peer.address.is_v4() ? 8 : 20;
  return kHeaderBytes + kAttributeHeaderBytes + address + kAttributeHeaderBytes + Padded(length);
}

uint8_t* WriteDataIndication(uint8_t* out, const Endpoint& peer, size_t length,
                             const uint8_t transaction[12]) {
  bool v4 = peer.address.is_v4();
  size_t address = v4 ? 4 : 16;
  size_t total = DataIndicationBytes(peer, length);
  StoreBe16(out, kDataIndication);
  StoreBe16(out + 2, static_cast<uint16_t>(total - kHeaderBytes));
  StoreBe32(out + 4, kMagicCookie);
  std::memcpy(out + 8, transaction, 12);
  uint8_t* at = out + kHeaderBytes;
  StoreBe16(at, kXorPeerAddress);
  StoreBe16(at + 2, static_cast<uint16_t>(address + 4));
  at[4] = 0;
  at[5] = v4 ? 1 : 2;
  StoreBe16(at + 6, static_cast<uint16_t>(peer.port ^ (kMagicCookie >> 16)));
  const uint8_t* bytes = peer.address.bytes.data() + (v4 ? 12 : 0);
  for (size_t i = 0; i < address; i++) at[8 + i] = bytes[i] ^ out[4 + i];
  at += 8 + address;
  StoreBe16(at, kData);
  StoreBe16(at + 2, static_cast<uint16_t>(length));
  at += kAttributeHeaderBytes;
  std::memset(at + length, 0, Padded(length) - length);
  return at;
}

Error OpenRelayedPort(const Endpoint& relayed, Fd* out) {
  bool v4 = relayed.address.is_v4();
  Fd fd(socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_storage name{};
  socklen_t length = ToSockaddr(relayed, &name);
  int on = 1;
  if (fd.valid() && !v4) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (!fd.valid() || relayed.port == 0 || bind(fd.get(), reinterpret_cast<sockaddr*>(&name), length) != 0)
    return {"no_port", "cannot bind a relayed port: " + std::string(std::strerror(errno))};
  int bytes = kPortBufferBytes;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  *out = std::move(fd);
  return {};
}

bool TurnAllocation::Permit(const IpAddress& peer, Nanoseconds now) {
  std::erase_if(permissions_, [&](const Permission& p) { return p.until <= now || p.peer == peer; });
  if (permissions_.size() >= kMostPermissions) return false;
  permissions_.push_back({peer, now + kPermissionTime});
  return true;
}

bool TurnAllocation::Bind(const Endpoint& peer, uint16_t number, Nanoseconds now) {
  std::erase_if(channels_,
                [&](const Channel& c) { return c.until <= now || c.peer == peer || c.number == number; });
  if (channels_.size() >= kMostChannels || !Permit(peer.address, now)) return false;
  channels_.push_back({peer, number, now + kChannelTime});
  return true;
}

bool TurnAllocation::IsPermitted(const IpAddress& peer, Nanoseconds now) const {
  return std::any_of(permissions_.begin(), permissions_.end(),
                     [&](const Permission& p) { return p.until > now && p.peer == peer; });
}

const Endpoint* TurnAllocation::PeerOf(uint16_t number, Nanoseconds now) const {
  for (const Channel& channel : channels_)
    if (channel.number == number && channel.until > now) return &channel.peer;
  return nullptr;
}

uint16_t TurnAllocation::ChannelOf(const Endpoint& peer, Nanoseconds now) const {
  for (const Channel& channel : channels_)
    if (channel.peer == peer && channel.until > now) return channel.number;
  return 0;
}

TurnAllocation* TurnAllocations::Add(TurnAllocation allocation) {
  auto& by_client = by_client_[FamilyOf(allocation)];
  if (all_.size() >= kMost || by_client.contains(allocation.client) || all_.contains(allocation.id))
    return nullptr;
  uint32_t id = allocation.id;
  by_client[allocation.client] = id;
  by_socket_[allocation.socket.get()] = id;
  by_relayed_[allocation.relayed] = id;
  return &all_.emplace(id, std::move(allocation)).first->second;
}

void TurnAllocations::Remove(uint32_t id) {
  TurnAllocation* allocation = Find(id);
  if (allocation == nullptr) return;
  by_client_[FamilyOf(*allocation)].erase(allocation->client);
  by_socket_.erase(allocation->socket.get());
  by_relayed_.erase(allocation->relayed);
  all_.erase(id);
}

TurnAllocation* TurnAllocations::Find(uint32_t id) {
  auto found = all_.find(id);
  return found == all_.end() ? nullptr : &found->second;
}

TurnAllocation* TurnAllocations::FindClient(const Path& client, Family family) {
  auto found = by_client_[family].find(client);
  return found == by_client_[family].end() ? nullptr : Find(found->second);
}

TurnAllocation* TurnAllocations::FindChannel(const Path& client, uint16_t number, Nanoseconds now) {
  for (Family family : {kIpv4, kIpv6}) {
    TurnAllocation* allocation = FindClient(client, family);
    if (allocation != nullptr && allocation->PeerOf(number, now) != nullptr) return allocation;
  }
  return nullptr;
}

void TurnAllocations::RemoveClient(const Path& client) {
  for (Family family : {kIpv4, kIpv6})
    if (TurnAllocation* allocation = FindClient(client, family); allocation != nullptr)
      Remove(allocation->id);
}

TurnAllocation* TurnAllocations::FindSocket(int fd) {
  auto found = by_socket_.find(fd);
  return found == by_socket_.end() ? nullptr : Find(found->second);
}

bool TurnAllocations::IsRelayed(const Endpoint& endpoint) const { return by_relayed_.contains(endpoint); }

}  // namespace idloc
