#include <memory>
#include <utility>

#include "link/link_control.h"
#include "property/properties.h"
#include "support/check.h"
#include "support/credentials.h"
#include "support/data_plane_tester.h"
#include "support/packets.h"

namespace idloc::test {

namespace {

constexpr size_t kHosts = 3;
constexpr LinkId kLinks = 8;  // of one host that commands are about, whether they live or not

struct Scene {
  std::unique_ptr<DataPlaneTester> hosts[kHosts];
  std::vector<std::pair<size_t, Bytes>> path;  // who sent it, to whom
  std::vector<size_t> to;

  Scene() {
    ResetDevices();
    for (size_t i = 0; i < kHosts; i++)
      hosts[i] = std::make_unique<DataPlaneTester>(static_cast<uint8_t>(i + 1));
    for (const auto& host : hosts) host->Run(SetRelay{1'000'000});
  }
  size_t IndexOf(uint16_t port) const {
    for (size_t i = 0; i < kHosts; i++) {
      if (hosts[i]->endpoint().port == port) return i;
    }
    return kHosts;
  }
  // What was sent is on its way now; what goes to nobody is lost.
  void Collect() {
    for (const SentGroup& group : std::exchange(udp_sent, {})) {
      size_t receiver = IndexOf(group.path.remote.port);
      if (receiver == kHosts) continue;
      for (Bytes& datagram : Datagrams(group)) {
        path.emplace_back(IndexOf(group.from), std::move(datagram));
        to.push_back(receiver);
      }
    }
  }
  // Nobody's tables name a link that is gone: the sanitizer sees who reads it.
  void Look() const {
    for (const auto& host : hosts) {
      for (const auto& other : hosts) {
        host->RemoteOwner(other->endpoint());
        host->TunnelOwner(other->hit());
        host->TunnelOwner(other->ipv4());
      }
      host->TakeEvents();
    }
  }
};

Bytes Content(Source& source) {
  constexpr uint8_t kKinds[] = {0x80,       kEchoRequest, kEchoReply, kProbeRequest, kRekeyFlight,
                                kRekeyDone, 0x2a,         kHopTo,     kHopFrom};
  Bytes out = source.Take(source.Between(1, 100));
  out[0] = kKinds[source.Below(std::size(kKinds))];
  return out;
}

void Command(Source& source, Scene& s, DataPlaneTester& host) {
  auto link = static_cast<LinkId>(source.Between(1, kLinks));
  DataPlaneTester& other = *s.hosts[source.Below(kHosts)];
  switch (source.Below(14)) {
    case 0:
      if (host.links() < kLinks) host.OpenLink(source.OneIn(2));
      break;
    case 1:
      host.Run(BindRemote{link, other.endpoint()});
      break;
    case 2:
      host.Run(UnbindRemote{link, other.endpoint()});
      break;
    case 3:
    case 4:
    case 5:
      // Straight there, or through whoever else there is.
      if (source.OneIn(4)) {
        host.Run(SetPath{link, Path{s.hosts[source.Below(kHosts)]->hit(), {other.hit(), 0}}});
      } else {
        host.Run(SetPath{link, Path{{}, other.endpoint()}});
      }
      break;
    case 6:
      if (source.OneIn(3)) host.Run(CloseLink{link});
      break;
    case 7:
    case 8:
      host.Run(Authorize{link, other.hit(), source.OneIn(2) ? std::optional(other.ipv4()) : std::nullopt});
      break;
    case 9:
      host.Run(Rest{link});
      break;
    case 10:
      host.Run(SetPathMtu{link, source.U16()});
      host.Run(SendProbe{link, source.U16(), 7});
      break;
    case 11:
      host.Run(SendRecord{link, Content(source)});
      break;
    case 12: {
      FlowSpec flow = RandomFlow(source);
      flow.source = host.ipv4().bytes[15];
      flow.destination = other.ipv4().bytes[15];
      host.ReadTun(MakeSuperPacket(flow, Bytes(source.Between(1, 1300)), 0));
      break;
    }
    default:
      // Without credentials a handshake ends its link at once.
      host.Run(SetCredentials{source.OneIn(3) ? nullptr : MakeContext()});
      break;
  }
}

void Deliver(Source& source, Scene& s) {
  if (s.path.empty()) return;
  size_t at = source.OneIn(4) ? source.Below(s.path.size()) : 0;
  auto [sender, datagram] = s.path[at];
  size_t receiver = s.to[at];
  if (!source.OneIn(16)) {
    s.path.erase(s.path.begin() + static_cast<ptrdiff_t>(at));
    s.to.erase(s.to.begin() + static_cast<ptrdiff_t>(at));
  }
  if (source.OneIn(32)) return;
  if (source.OneIn(32)) sender = source.Below(kHosts);
  if (source.OneIn(32)) datagram[source.Below(datagram.size())] ^= 1;
  s.hosts[receiver]->ReceiveDatagram(datagram, s.hosts[sender]->endpoint());
}

}  // namespace

void SurvivesCommands(Source& source) {
  Scene s;
  for (size_t step = 0; step < 200 && !(step > 0 && source.done()); step++) {
    if (source.OneIn(3)) {
      Command(source, s, *s.hosts[source.Below(kHosts)]);
    } else if (source.OneIn(16)) {
      s.hosts[source.Below(kHosts)]->Advance(static_cast<Nanoseconds>(source.Below(4096)) * kMillisecond);
    } else {
      Deliver(source, s);
    }
    s.Collect();
    s.Look();
  }
  // Whatever was begun comes to an end, and nothing is left when all is closed.
  for (const auto& host : s.hosts) {
    host->Advance(60 * kSecond);
    CHECK(host->handshakes() == 0);
    for (LinkId id = 1; host->links() > 0 && id < 1000; id++) host->Run(CloseLink{id});
    CHECK(host->links() == 0);
  }
  s.Look();
  for (const auto& host : s.hosts) {
    for (const auto& other : s.hosts) {
      CHECK(host->RemoteOwner(other->endpoint()) == 0 && host->TunnelOwner(other->hit()) == 0);
      CHECK(host->RemoteOwner({other->hit(), 0}) == 0);
    }
  }
}

}  // namespace idloc::test
