#include <chrono>
#include <thread>
#include <utility>

#include "support/data_plane_tester.h"
#include "support/openssl_clock.h"
#include "support/packets.h"
#include "tun/vnet_header.h"
#include "unit/test.h"

namespace idloc::test {

TEST(
    "a ClientHello is repeated after 150 ms of OpenSSL's clock, and however long the test itself takes, not "
    "before") {
  ResetDevices();
  DataPlaneTester client(1);
  DataPlaneTester server(2);
  client.Run(SetPath{client.OpenLink(false), Path{{}, server.endpoint()}});
  CHECK(TakeSent().size() == 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(160));
  client.Advance(kSecond);
  CHECK(TakeSent().empty());
  AdvanceOpensslClock(130 * kMillisecond);
  client.Advance(kSecond);
  CHECK(TakeSent().empty());
  AdvanceOpensslClock(20 * kMillisecond);
  client.Advance(kSecond);
  CHECK(TakeSent().size() == 1);
}

// On a path of more than 150 ms the first ClientHello is repeated before the cookie is there.
TEST(
    "a ClientHello that is repeated after its cookie went out, to a link bound meanwhile, does not stop the "
    "handshake") {
  for (bool first_flight_arrives : {false, true}) {
    ResetDevices();
    DataPlaneTester client(1);
    DataPlaneTester server(2);
    LinkId ours = client.OpenLink(false);
    client.Run(SetPath{ours, Path{{}, server.endpoint()}});
    std::vector<Bytes> hello = TakeSent();
    CHECK(hello.size() == 1);
    server.ReceiveDatagram(hello[0], client.endpoint());
    std::vector<Bytes> cookie = TakeSent();
    CHECK(cookie.size() == 1 && server.links() == 0);

    LinkId theirs = server.OpenLink(true);
    server.Run(BindRemote{theirs, client.endpoint()});
    server.ReceiveDatagram(hello[0], client.endpoint());
    std::vector<Bytes> flight = TakeSent();
    client.ReceiveDatagram(cookie[0], server.endpoint());
    if (first_flight_arrives) client.ReceiveBatch(flight, server.endpoint());
    Carry(client, server);
    for (int i = 0; i < 20; i++) {
      client.Advance(200 * kMillisecond);
      server.Advance(200 * kMillisecond);
      Carry(client, server);
    }
    const Link* link = server.FindLink(theirs);
    CHECK(link != nullptr && link->connected);
    link = client.FindLink(ours);
    CHECK(link != nullptr && link->connected);
  }
}

TEST(
    "two ends that dial each other at once from the same pair of ports are linked in one round, by one "
    "link") {
  for (int i = 0; i < 8; i++) {
    ResetDevices();
    DataPlaneTester a(1);
    DataPlaneTester b(2);
    LinkId from_a = a.OpenLink(false);
    LinkId from_b = b.OpenLink(false);
    a.Run(SetPath{from_a, Path{{}, b.endpoint()}});
    b.Run(SetPath{from_b, Path{{}, a.endpoint()}});
    Carry(a, b);
    const Link* first = a.FindLink(from_a);
    const Link* second = b.FindLink(from_b);
    CHECK((first == nullptr) != (second == nullptr));
    CHECK(first == nullptr || first->connected);
    CHECK(second == nullptr || second->connected);
    CHECK(a.links() == 1 && b.links() == 1 && a.handshakes() == 0 && b.handshakes() == 0);
    DataPlaneTester& yielded = first == nullptr ? a : b;
    std::vector<EventType> types;
    for (const Event& event : yielded.TakeEvents()) types.push_back(event.type);
    CHECK(types[0] == EventType::kIncoming && types[1] == EventType::kClosed &&
          types[2] == EventType::kConnected);
  }
}

TEST("a link towards an address whose host is dialing us at this moment gives way to that handshake") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  LinkId theirs = b.OpenLink(false);
  b.Run(SetPath{theirs, Path{{}, a.endpoint()}});
  for (int step = 0; step < 3; step++) {
    std::vector<Bytes> sent = TakeSent();
    if (step % 2 == 0) {
      a.ReceiveBatch(sent, b.endpoint());
    } else {
      b.ReceiveBatch(sent, a.endpoint());
    }
  }
  CHECK(a.links() == 1);
  LinkId ours = a.OpenLink(false);
  a.Run(BindRemote{ours, b.endpoint()});
  a.Run(SetPath{ours, Path{{}, b.endpoint()}});
  CHECK(a.FindLink(ours) == nullptr);
  Carry(a, b);
  const Link* link = b.FindLink(theirs);
  CHECK(link != nullptr && link->connected && a.links() == 1 && a.handshakes() == 0);
}

TEST("a link towards an address whose host was linked a moment ago, unknown to JavaScript, gives way too") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  LinkId theirs = b.OpenLink(false);
  b.Run(SetPath{theirs, Path{{}, a.endpoint()}});
  Carry(a, b);
  LinkId ours = a.OpenLink(false);
  a.Run(BindRemote{ours, b.endpoint()});
  a.Run(SetPath{ours, Path{{}, b.endpoint()}});
  CHECK(a.FindLink(ours) == nullptr && a.links() == 1);
  Carry(a, b);
  const Link* link = b.FindLink(theirs);
  CHECK(link != nullptr && link->connected && b.links() == 1 && a.handshakes() == 0);
}

TEST("a host that dialed us and gave up in the middle is dialed a second later") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  LinkId theirs = b.OpenLink(false);
  b.Run(SetPath{theirs, Path{{}, a.endpoint()}});
  for (int step = 0; step < 3; step++) {
    std::vector<Bytes> sent = TakeSent();
    if (step % 2 == 0) {
      a.ReceiveBatch(sent, b.endpoint());
    } else {
      b.ReceiveBatch(sent, a.endpoint());
    }
  }
  b.Run(CloseLink{theirs});
  TakeSent();
  CHECK(a.links() == 1 && b.links() == 0);
  LinkId early = a.OpenLink(false);
  a.Run(SetPath{early, Path{{}, b.endpoint()}});
  CHECK(a.FindLink(early) == nullptr);
  a.Advance(1'100 * kMillisecond);
  TakeSent();
  LinkId ours = a.OpenLink(false);
  a.Run(SetPath{ours, Path{{}, b.endpoint()}});
  Carry(a, b);
  const Link* link = a.FindLink(ours);
  CHECK(link != nullptr && link->connected && b.links() == 1);
}

TEST("a ClientHello without a cookie does not end the handshake that we began with its sender") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  LinkId ours = a.OpenLink(false);
  a.Run(SetPath{ours, Path{{}, b.endpoint()}});
  TakeSent();
  for (int i = 0; i < 8; i++) {
    LinkId theirs = b.OpenLink(false);
    b.Run(SetPath{theirs, Path{{}, a.endpoint()}});
    std::vector<Bytes> hello = TakeSent();
    CHECK(hello.size() == 1);
    a.ReceiveDatagram(hello[0], b.endpoint());
    TakeSent();
    CHECK(a.FindLink(ours) != nullptr && a.links() == 1);
    b.Run(CloseLink{theirs});
  }
}

TEST(
    "a peer that was killed in the middle of our handshake and dials us is linked, whoever's ClientHello is "
    "smaller") {
  for (int i = 0; i < 8; i++) {
    ResetDevices();
    DataPlaneTester a(1);
    DataPlaneTester before(2);
    LinkId ours = a.OpenLink(false);
    a.Run(SetPath{ours, Path{{}, before.endpoint()}});
    for (int step = 0; step < 3; step++) {
      std::vector<Bytes> sent = TakeSent();
      if (step % 2 == 0)
        before.ReceiveBatch(sent, a.endpoint());
      else
        a.ReceiveBatch(sent, before.endpoint());
    }
    a.ReceiveBatch(TakeSent(), before.endpoint());
    TakeSent();
    const Link* link = a.FindLink(ours);
    CHECK(link != nullptr && !link->connected);
    DataPlaneTester after(2);
    LinkId theirs = after.OpenLink(false);
    after.Run(SetPath{theirs, Path{{}, a.endpoint()}});
    Carry(a, after);
    link = after.FindLink(theirs);
    CHECK(link != nullptr && link->connected && a.FindLink(ours) == nullptr && a.links() == 1);
  }
}

// As JavaScript does on a power cut: both sides know the way to each other through the overlay before the
// dial is answered.
TEST(
    "a server's end that waits at an address leaves it to the client that called there before: its handshake "
    "goes on") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  LinkId dialed = a.OpenLink(false);
  a.Run(SetPath{dialed, Path{{}, b.endpoint()}});
  std::vector<Bytes> hello = TakeSent();
  LinkId waiting = a.OpenLink(true);
  a.Run(BindRemote{waiting, b.endpoint()});
  a.Run(SetPath{waiting, Path{{}, b.endpoint()}});
  b.ReceiveBatch(hello, a.endpoint());
  Carry(a, b);
  const Link* link = a.FindLink(dialed);
  CHECK(link != nullptr && link->connected && b.links() == 1 && a.handshakes() + b.handshakes() == 0);
}

TEST("a client that is bound to an address and has not begun does not keep its host from calling") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  LinkId waiting = a.OpenLink(false);
  a.Run(BindRemote{waiting, b.endpoint()});
  LinkId dialed = b.OpenLink(false);
  b.Run(SetPath{dialed, Path{{}, a.endpoint()}});
  Carry(a, b);
  const Link* link = b.FindLink(dialed);
  CHECK(link != nullptr && link->connected && a.FindLink(waiting) != nullptr);
}

TEST(
    "a link that binds an address again during the handshake of its successor there does not disturb it, and "
    "has the address back when that comes to nothing") {
  for (bool completes : {true, false}) {
    ResetDevices();
    DataPlaneTester a(1);
    DataPlaneTester b(2);
    Linked before = Connect(a, b);
    LinkId next = a.OpenLink(false);
    a.Run(SetPath{next, Path{{}, b.endpoint()}});
    std::vector<Bytes> hello = TakeSent();
    a.Run(BindRemote{before.a, b.endpoint()});
    if (!completes) {
      a.Run(CloseLink{next});
      CHECK(a.RemoteOwner(b.endpoint()) == before.a);
      continue;
    }
    b.ReceiveBatch(hello, a.endpoint());
    Carry(a, b);
    const Link* link = a.FindLink(next);
    CHECK(link != nullptr && link->connected && a.RemoteOwner(b.endpoint()) == next);
  }
}

TEST("a client gives way a second after it has refused the peer's ClientHello, when its own is not heard") {
  int refused = 0;
  for (int i = 0; i < 16; i++) {
    ResetDevices();
    DataPlaneTester a(1);
    DataPlaneTester b(2);
    LinkId unheard = a.OpenLink(false);
    a.Run(SetPath{unheard, Path{{}, b.endpoint()}});
    TakeSent();
    LinkId theirs = b.OpenLink(false);
    b.Run(SetPath{theirs, Path{{}, a.endpoint()}});
    std::vector<Bytes> hello = TakeSent();
    a.ReceiveBatch(hello, b.endpoint());
    if (!TakeSent().empty()) continue;
    refused++;
    a.Advance(900 * kMillisecond);
    TakeSent();
    a.ReceiveBatch(hello, b.endpoint());
    CHECK(TakeSent().empty());
    a.Advance(200 * kMillisecond);
    TakeSent();
    a.ReceiveBatch(hello, b.endpoint());
    Carry(a, b);
    const Link* link = b.FindLink(theirs);
    CHECK(link != nullptr && link->connected && a.FindLink(unheard) == nullptr);
  }
  CHECK(refused > 0);
}

TEST(
    "a client that is answered is not ended by a ClientHello which the peer sent before it gave way: its "
    "cookie "
    "is older than the answer") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  LinkId theirs = b.OpenLink(false);
  b.Run(SetPath{theirs, Path{{}, a.endpoint()}});
  a.ReceiveBatch(TakeSent(), b.endpoint());
  b.ReceiveBatch(TakeSent(), a.endpoint());
  std::vector<Bytes> late = TakeSent();
  CHECK(late.size() == 1);
  b.Run(CloseLink{theirs});
  a.Advance(10 * kMillisecond);
  LinkId ours = a.OpenLink(false);
  a.Run(SetPath{ours, Path{{}, b.endpoint()}});
  b.ReceiveBatch(TakeSent(), a.endpoint());
  a.ReceiveBatch(TakeSent(), b.endpoint());
  b.ReceiveBatch(TakeSent(), a.endpoint());
  std::vector<Bytes> answer = TakeSent();
  a.ReceiveBatch(answer, b.endpoint());
  std::vector<Bytes> rest = TakeSent();
  CHECK(a.FindLink(ours) != nullptr && !a.FindLink(ours)->connected);
  a.ReceiveBatch(late, b.endpoint());
  CHECK(a.FindLink(ours) != nullptr && a.links() == 1);
  b.ReceiveBatch(rest, a.endpoint());
  Carry(a, b);
  const Link* link = a.FindLink(ours);
  CHECK(link != nullptr && link->connected && a.links() == 1 && b.links() == 1);
}

TEST(
    "packets that overtake the end of the handshake, or come when it was lost, are handled after it, each "
    "once") {
  for (bool lost : {false, true}) {
    ResetDevices();
    DataPlaneTester server(1);
    DataPlaneTester client(2);
    LinkId theirs = server.OpenLink(true);
    server.Run(BindRemote{theirs, client.endpoint()});
    LinkId ours = client.OpenLink(false);
    client.Run(SetPath{ours, Path{{}, server.endpoint()}});
    server.ReceiveBatch(TakeSent(), client.endpoint());
    client.ReceiveBatch(TakeSent(), server.endpoint());
    server.ReceiveBatch(TakeSent(), client.endpoint());
    std::vector<Bytes> finished = TakeSent();
    const Link* link = server.FindLink(theirs);
    CHECK(link != nullptr && link->connected);
    server.Run(Authorize{theirs, client.hit(), client.ipv4()});
    FlowSpec flow;
    flow.udp = true;
    for (uint8_t i = 1; i <= 3; i++) {
      server.ReadTun(MakeSuperPacket(flow, {i}, 0));
      std::vector<Bytes> record = TakeSent();
      // With the first one goes a probe of the path.
      CHECK(record.size() == (i == 1 ? 2U : 1U));
      client.ReceiveBatch(record, server.endpoint());
      client.ReceiveBatch(record, server.endpoint());
    }
    link = client.FindLink(ours);
    CHECK(link != nullptr && !link->connected && client.count(Counter::earlyHeld) == 0);
    if (!lost) client.ReceiveBatch(finished, server.endpoint());
    for (int i = 0; i < 10 && !client.FindLink(ours)->connected; i++) {
      AdvanceOpensslClock(200 * kMillisecond);
      client.Advance(200 * kMillisecond);
      Carry(client, server);
    }
    link = client.FindLink(ours);
    CHECK(link != nullptr && link->connected);
    client.Run(Authorize{ours, server.hit(), server.ipv4()});
    CHECK(tun_written.size() == 3);
    for (uint8_t i = 1; i <= 3; i++) {
      const Bytes& written = tun_written[i - 1];
      CHECK(Bytes(written.begin() + kVnetHeaderBytes, written.end()) == MakePacket(flow, {i}));
    }
  }
}

}  // namespace idloc::test
