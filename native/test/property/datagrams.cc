#include <algorithm>
#include <map>
#include <memory>

#include "link/record_format.h"
#include "property/properties.h"
#include "support/check.h"
#include "support/data_plane_tester.h"

namespace idloc::test {

namespace {

constexpr size_t kHalfOpenLimit = 256;

// A data plane with one live link to `peer`, and one link that waits for a handshake from `waiting`.
struct Scene {
  DataPlaneTester target{1};
  DataPlaneTester peer{2};
  DataPlaneTester stranger{3};
  Linked live;
  LinkId waiting;
  Endpoint waiting_at{IpAddress::FromV4(kLoopback), 7000};
  Bytes hello;      // of the stranger: no cookie, any address
  Bytes flight[3];  // records of the live link that came already

  Scene() {
    ResetDevices();
    live = Connect(peer, target);
    waiting = target.OpenLink(true);
    target.Run(BindRemote{waiting, waiting_at});
    LinkId link = stranger.OpenLink(false);
    stranger.Run(SetPath{link, Path{{}, target.endpoint()}});
    CHECK(udp_sent.size() == 1);
    hello = udp_sent[0].data;
    stranger.Run(CloseLink{link});
    for (Bytes& record : flight) {
      udp_sent.clear();
      peer.Run(SendRecord{live.a, {0x80, 1, 2, 3}});
      CHECK(udp_sent.size() == 1);
      record = udp_sent[0].data;
      Carry(peer, target);
    }
    target.TakeEvents();
    peer.TakeEvents();
    ResetDevices();
  }

  static constexpr uint8_t kLoopback[4] = {127, 0, 0, 1};
};

// As in record.cc: handshakes are dear.
std::unique_ptr<Scene> scene;
int uses = 0;

// The first ClientHello with the cookie that the target asked for (RFC 6347 s4.2.1).
Bytes WithCookie(const Bytes& hello, const Bytes& request) {
  constexpr size_t kCookieLengthAt = 13 + 12 + 2;
  if (request.size() <= kCookieLengthAt || request[13] != 3) return hello;
  size_t at = 13 + 12 + 2 + 32;
  at += 1 + hello[at];
  Bytes out(hello.begin(), hello.begin() + static_cast<ptrdiff_t>(at));
  out.insert(out.end(), request.begin() + kCookieLengthAt, request.end());
  out.insert(out.end(), hello.begin() + static_cast<ptrdiff_t>(at) + 1, hello.end());
  auto length = [&out](size_t where, size_t value) {
    out[where] = static_cast<uint8_t>(value >> 8);
    out[where + 1] = static_cast<uint8_t>(value);
  };
  out[10] = 1;  // record sequence
  length(11, out.size() - 13);
  length(15, out.size() - 25);
  out[18] = 1;  // message sequence
  length(23, out.size() - 25);
  return out;
}

Bytes MadeUpRecord(Source& source) {
  Bytes body = source.Take(source.Below(120));
  Bytes out{static_cast<uint8_t>(20 + source.Below(8)), 0xfe,
            static_cast<uint8_t>(source.OneIn(4) ? 0xff : 0xfd), 0, static_cast<uint8_t>(source.Below(3))};
  Bytes sequence = source.Take(6);
  out.insert(out.end(), sequence.begin(), sequence.end());
  out.push_back(0);
  out.push_back(static_cast<uint8_t>(body.size()));
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

}  // namespace

void SurvivesDatagrams(Source& source) {
  if (scene == nullptr || ++uses == 64) {
    uses = 0;
    scene = std::make_unique<Scene>();
  }
  Scene& s = *scene;
  struct Tally {
    size_t received = 0;
    size_t sent = 0;
    bool proved = false;
    Bytes last_answer;
  };
  std::map<uint16_t, Tally> strangers;
  for (size_t step = 0; step < 48 && !(step > 0 && source.done()); step++) {
    uint8_t from = source.Byte() % 8;
    Endpoint remote{IpAddress::FromV4(Scene::kLoopback), static_cast<uint16_t>(9000 + from)};
    if (from == 0) remote = s.peer.endpoint();
    if (from == 1) remote = s.waiting_at;
    bool stranger = from > 1;
    Bytes datagram;
    switch (source.Byte() % 8) {
      case 0:
        datagram = source.Take(source.Between(1, 300));
        break;
      case 1:
        datagram = MadeUpRecord(source);
        if (source.OneIn(2)) {
          Bytes more = MadeUpRecord(source);
          datagram.insert(datagram.end(), more.begin(), more.end());
        }
        break;
      case 2:
        datagram = s.hello;
        break;
      case 3:
        datagram = WithCookie(s.hello, strangers[remote.port].last_answer);
        break;
      case 4:
        datagram = WithCookie(s.hello, strangers[remote.port].last_answer);
        datagram[source.Below(datagram.size())] = source.Byte();
        datagram.resize(source.OneIn(2) ? datagram.size() : source.Between(1, datagram.size()));
        break;
      case 5:
        datagram = s.flight[source.Below(3)];
        break;
      case 6:
        datagram = s.flight[source.Below(3)];
        datagram[source.Below(datagram.size())] ^= source.Byte();
        break;
      default:
        s.target.Advance(static_cast<Nanoseconds>(source.Below(4096)) * kMillisecond);
        continue;
    }
    udp_sent.clear();
    s.target.ReceiveDatagram(datagram, remote);
    Tally& tally = strangers[remote.port];
    tally.received += datagram.size();
    for (const Event& event : s.target.TakeEvents()) {
      CHECK(event.type != EventType::kConnected);
      CHECK(event.type != EventType::kClosed || event.link != s.live.b);
      if (event.type == EventType::kIncoming) strangers[event.remote.port].proved = true;
      if (event.type == EventType::kRecord) CHECK(false);
    }
    for (const SentGroup& group : udp_sent) {
      Tally& to = strangers[group.path.remote.port];
      to.sent += group.data.size();
      to.last_answer = group.data;
      // No amplification: nobody who did not prove the address gets back more than came.
      if (stranger && !to.proved) CHECK(to.sent <= to.received);
    }
    CHECK(s.target.handshakes() <= kHalfOpenLimit + 1);
  }
  // Half-open handshakes go by themselves; the live link stays and carries.
  s.target.Advance(20 * kSecond);
  s.target.TakeEvents();
  CHECK(s.target.handshakes() == 0);
  const Link* live = s.target.FindLink(s.live.b);
  CHECK(live != nullptr && live->connected);
  udp_sent.clear();
  s.peer.Run(SendRecord{s.live.a, {0x80, 9}});
  Carry(s.peer, s.target);
  std::vector<Event> events = s.target.TakeEvents();
  CHECK(events.size() == 1 && events[0].type == EventType::kRecord && events[0].link == s.live.b);
  CHECK(events[0].data == (Bytes{0x80, 9}));
  if (s.target.FindLink(s.waiting) == nullptr) scene = nullptr;
}

}  // namespace idloc::test
