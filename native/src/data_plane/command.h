#pragma once
// What JavaScript tells the data-plane thread. Carried out in order.
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "link/dtls_context.h"
#include "link/link.h"
#include "net/address.h"
#include "relay/turn_channels.h"
#include "stream/streams.h"

namespace idloc {

struct SendDatagram {
  Path path;
  std::vector<uint8_t> data;
};
struct SendRecord {
  LinkId link;
  std::vector<uint8_t> data;
};
struct SetCredentials {
  SslContext context;
};
struct OpenLink {
  LinkId link;
  bool server;
  std::shared_ptr<LinkStats> stats;
};
struct BindRemote {
  LinkId link;
  Endpoint remote;
};
struct UnbindRemote {
  LinkId link;
  Endpoint remote;
};
struct SetPath {
  LinkId link;
  Path path;
  uint8_t preference = PathSet::kUnknownPreference;
};
// Another way that may lead to the peer.
struct AddPath {
  LinkId link;
  Path path;
  uint8_t preference;
  bool expected = false;  // the peer is there now
};
struct ClearPath {
  LinkId link;
};
struct CloseLink {
  LinkId link;
};
struct Rest {
  LinkId link;
  bool asleep = false;  // nothing at all is sent
};
struct Authorize {
  LinkId link;
  IpAddress hit;
  std::optional<IpAddress> ipv4;
  uint32_t user = 0;
};
struct Refuse {
  IpAddress address;
};
// Bytes of a datagram with its IP header, as all path MTUs.
struct SetPathMtu {
  LinkId link;
  uint16_t bytes;
};
struct SendProbe {
  LinkId link;
  uint16_t bytes;
  uint32_t id;
};
// What is handed on for others, of all links together; 0: nothing.
struct SetRelay {
  uint64_t bytes_per_second;
};
// A way to this endpoint, which stands for a stream, is wanted (stream/streams.h).
struct DialStream {
  Endpoint remote;
};
struct DialTurn {
  std::unique_ptr<Streams::TurnDial> dial;  // large, and rare
};
struct HangUpTurn {
  uint32_t id;
};
// What streams that are accepted from now on show.
struct ShowStreamCertificate {
  SslContext context;
};
// From now on the channel is bound; or no more.
struct SetTurnChannel {
  TurnChannels::Channel channel;
};
struct RemoveTurnChannel {
  Path path;
};
// Of this host as a TURN server: what all allocations together may carry; 0: nothing.
struct SetTurnQuota {
  uint64_t bytes_per_second;
};
struct AddTurnAllocation {
  uint32_t id;
  uint32_t user;
  Path client;
  Endpoint relayed;
  Fd socket;
};
struct RemoveTurnAllocation {
  uint32_t id;
};
// By a channel, or (0) by indications to any port there.
struct PermitTurnPeer {
  uint32_t id;
  Endpoint peer;
  uint16_t channel;
};
// What DataPlane::TakePathReports gives, once the event kPaths has come.
struct ReportPaths {};
struct SetLocalAddresses {
  IpAddress hit;
  std::optional<IpAddress> ipv4;
};

using Command =
    std::variant<SendDatagram, SendRecord, SetCredentials, OpenLink, BindRemote, UnbindRemote, SetPath,
                 AddPath, ClearPath, CloseLink, Rest, Authorize, Refuse, SetLocalAddresses, SetPathMtu,
                 SendProbe, SetRelay, DialStream, DialTurn, HangUpTurn, ShowStreamCertificate, SetTurnChannel,
                 RemoveTurnChannel, SetTurnQuota, AddTurnAllocation, RemoveTurnAllocation, PermitTurnPeer,
                 ReportPaths>;

}  // namespace idloc
