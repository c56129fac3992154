#pragma once
// Allocations of clients of this host as a TURN server (RFC 8656): who may have one and what it may reach is
// decided in JavaScript (src/turn/server); here are their relayed ports, with what passes there.
//
//   client <--- our port ---> allocation <--- relayed port ---> peers with a permission
//          ChannelData, or Send and Data indications      plain datagrams
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "net/address.h"

namespace idloc {

// s3.3, s11.2: the peer and the data of a Send indication, of which nothing else is asked.
struct SendIndication {
  Endpoint peer;
  const uint8_t* data;  // borrowed, inside the message
  size_t length;
};

bool IsSendIndication(const uint8_t* message, size_t length);
// Nothing: malformed, or it asks for what this server does not do (s11.2).
std::optional<SendIndication> ReadSendIndication(const uint8_t* message, size_t length);
// Header, XOR-PEER-ADDRESS and DATA's header; the data follow, padded.
size_t DataIndicationBytes(const Endpoint& peer, size_t length);
// All but the data; returns where they are to stand.
uint8_t* WriteDataIndication(uint8_t* out, const Endpoint& peer, size_t length,
                             const uint8_t transaction[12]);

// A UDP socket at exactly this address; port 0 is none. Never blocks.
Error OpenRelayedPort(const Endpoint& relayed, Fd* out);

class TurnAllocation {
 public:
  // More than JavaScript lets a client have.
  static constexpr size_t kMostPermissions = 64;
  static constexpr size_t kMostChannels = 64;
  static constexpr Nanoseconds kPermissionTime = 300 * kSecond;  // s9
  static constexpr Nanoseconds kChannelTime = 600 * kSecond;     // s12

  TurnAllocation(uint32_t id, uint32_t user, const Path& client, const Endpoint& relayed, Fd socket)
      : id(id), user(user), client(client), relayed(relayed), socket(std::move(socket)) {}

  uint32_t id;
  uint32_t user;
  Path client;  // our address, the client
  Endpoint relayed;
  Fd socket;

  // False: too many.
  bool Permit(const IpAddress& peer, Nanoseconds now);
  bool Bind(const Endpoint& peer, uint16_t number, Nanoseconds now);
  bool IsPermitted(const IpAddress& peer, Nanoseconds now) const;
  // nullptr, 0: there is none.
  const Endpoint* PeerOf(uint16_t number, Nanoseconds now) const;
  uint16_t ChannelOf(const Endpoint& peer, Nanoseconds now) const;

 private:
  struct Permission {
    IpAddress peer;
    Nanoseconds until;
  };
  struct Channel {
    Endpoint peer;
    uint16_t number;
    Nanoseconds until;
  };
  std::vector<Permission> permissions_;
  std::vector<Channel> channels_;
};

class TurnAllocations {
 public:
  static constexpr size_t kMost = 1'024;

  bool empty() const { return all_.empty(); }
  // nullptr: too many, or the client has one of that family: it may have two (s5). Borrowed, as below, until
  // it is removed.
  TurnAllocation* Add(TurnAllocation allocation);
  void Remove(uint32_t id);
  TurnAllocation* Find(uint32_t id);
  // That from which an address of this family is reached.
  TurnAllocation* FindClient(const Path& client, const IpAddress& peer) {
    return FindClient(client, peer.is_v4() ? kIpv4 : kIpv6);
  }
  TurnAllocation* FindChannel(const Path& client, uint16_t number, Nanoseconds now);
  bool HasClient(const Path& client) const {
    return by_client_[kIpv4].contains(client) || by_client_[kIpv6].contains(client);
  }
  // All that this client has.
  void RemoveClient(const Path& client);
  TurnAllocation* FindSocket(int fd);
  // Whether it is the relayed address of one of them.
  bool IsRelayed(const Endpoint& endpoint) const;

 private:
  enum Family : uint8_t { kIpv4, kIpv6 };

  static Family FamilyOf(const TurnAllocation& allocation) {
    return allocation.relayed.address.is_v4() ? kIpv4 : kIpv6;
  }
  TurnAllocation* FindClient(const Path& client, Family family);

  std::unordered_map<uint32_t, TurnAllocation> all_;
  std::unordered_map<Path, uint32_t, PathHash> by_client_[2];  // by family
  std::unordered_map<int, uint32_t> by_socket_;
  std::unordered_map<Endpoint, uint32_t, AddressHash> by_relayed_;
};

}  // namespace idloc
