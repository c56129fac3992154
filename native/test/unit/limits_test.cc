#include "data_plane/limits.h"

#include "support/data_plane_tester.h"
#include "support/packets.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

Bytes FromTun(const FlowSpec& flow, size_t payload) {
  Bytes data(10);
  Bytes packet = MakePacket(flow, Bytes(payload));
  data.insert(data.end(), packet.begin(), packet.end());
  return data;
}

}  // namespace

TEST("packets that wait for links beyond the bound are dropped and counted, and a live link carries on") {
  ResetDevices();
  Limits limits;
  limits.held_bytes = 20'000;
  DataPlaneTester a(1, limits);
  DataPlaneTester b(2);
  Linked link = Connect(a, b);
  a.Run(Authorize{link.a, b.hit(), b.ipv4()});
  b.Run(Authorize{link.b, a.hit(), a.ipv4()});
  FlowSpec flow;
  flow.udp = true;
  size_t sent = 0;
  for (uint8_t host = 100; host < 150; host++) {
    flow.destination = host;
    a.ReadTun(FromTun(flow, 1000));
    sent++;
  }
  CHECK(a.count(Counter::packetsHeld) == 17);  // of 10 + 48 + 1000 bytes and the bookkeeping
  CHECK(a.count(Counter::packetsHeld) + a.count(Counter::dropHeldOverflow) == sent);
  flow.destination = 2;
  a.ReadTun(FromTun(flow, 1000));
  Carry(a, b);
  CHECK(tun_written.size() == 1);
  // What was given up makes room again.
  a.Advance(11 * kSecond);
  CHECK(a.count(Counter::dropHeldExpired) == 17);
  flow.destination = 100;
  a.ReadTun(FromTun(flow, 1000));
  CHECK(a.count(Counter::packetsHeld) == 18);
}

TEST(
    "packets of peers that are not authorized yet, beyond the bound, are dropped and counted, and the link "
    "stays") {
  ResetDevices();
  Limits limits;
  limits.early_bytes = 20'000;
  DataPlaneTester a(1);
  DataPlaneTester b(2, limits);
  Linked link = Connect(a, b);
  a.Run(Authorize{link.a, b.hit(), b.ipv4()});
  FlowSpec flow;
  flow.udp = true;
  for (int i = 0; i < 50; i++) a.ReadTun(FromTun(flow, 1000));
  Carry(a, b);
  CHECK(b.count(Counter::earlyHeld) == 18);  // of 7 + 8 + 1000 bytes and the bookkeeping
  CHECK(b.count(Counter::earlyHeld) + b.count(Counter::dropEarlyOverflow) == 50);
  CHECK(tun_written.empty());
  b.Run(Authorize{link.b, a.hit(), a.ipv4()});
  CHECK(tun_written.size() == 18);
  a.ReadTun(FromTun(flow, 1000));
  Carry(a, b);
  CHECK(tun_written.size() == 19);
}

TEST("datagrams of JavaScript beyond the bound are dropped and counted, and those that come later are not") {
  ResetDevices();
  Limits limits;
  limits.queued_bytes = 20'000;
  DataPlaneTester a(1, limits);
  const size_t fit = limits.queued_bytes / (1000 + CommandQueue::kOverhead);
  auto post = [&a](size_t count) {
    for (size_t i = 0; i < count; i++) a.Post(SendDatagram{{}, Bytes(1000)});
    a.Run(SendDatagram{{}, Bytes(1000)});
  };
  post(fit + 4);
  CHECK(a.count(Counter::dropCommandsFull) == 5);
  post(fit - 1);
  CHECK(a.count(Counter::dropCommandsFull) == 5);
}

TEST("what one link sends to JavaScript, more than it takes out, holds up no other link") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  DataPlaneTester c(3);
  Linked flooding = Connect(a, c);
  Linked quiet = Connect(b, c);
  c.TakeEvents();
  const Bytes record{0x80, 1};
  const size_t kOfALink = Limits{}.link_events;
  for (size_t i = 0; i < 2 * kOfALink; i++) {
    a.Run(SendRecord{flooding.a, record});
    Carry(a, c);
  }
  CHECK(c.count(Counter::dropEventsFull) == kOfALink);
  b.Run(SendRecord{quiet.a, record});
  Carry(b, c);
  CHECK(c.count(Counter::dropEventsFull) == kOfALink);
  CHECK(c.TakeEvents().size() == kOfALink + 1);
  // What was taken out makes room again.
  a.Run(SendRecord{flooding.a, record});
  Carry(a, c);
  CHECK(c.TakeEvents().size() == 1);
}

TEST("a check does not wait for JavaScript behind the records of members, that of the flooding one neither") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  Linked link = Connect(a, b);
  b.TakeEvents();
  for (size_t i = 0; i < 2 * Limits{}.link_events; i++) {
    a.Run(SendRecord{link.a, {0x80, 1}});
    Carry(a, b);
  }
  b.ReceiveDatagram({0, 1, 2, 3}, a.endpoint());
  std::vector<Event> events = b.TakeEvents();
  CHECK(events.size() == Limits{}.link_events + 1 && events[0].type == EventType::kStun);
}

namespace {

// How many of so many STUN datagrams from there reach JavaScript, which takes them out as they come.
size_t Checks(DataPlaneTester& host, const Endpoint& from, size_t count) {
  size_t came = 0;
  for (size_t i = 0; i < count; i++) {
    host.ReceiveDatagram({0, 1, 2, 3}, from);
    for (const Event& event : host.TakeEvents()) came += event.type == EventType::kStun;
  }
  return came;
}

Endpoint At(uint16_t port) {
  constexpr uint8_t kHost[4] = {192, 0, 2, 7};
  return {IpAddress::FromV4(kHost), port};
}

}  // namespace

TEST("a flood of checks under the name of one link's remote is bounded, and those of other links all come") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  DataPlaneTester c(3);
  Connect(a, c);
  Linked quiet = Connect(b, c);
  c.Run(BindRemote{quiet.b, At(1)});
  for (int second = 0; second < 3; second++) {
    CHECK(Checks(c, a.endpoint(), 20'000) == CheckLimiter::kPerRemote);
    CHECK(Checks(c, b.endpoint(), 40) == 40);
    CHECK(Checks(c, At(1), 40) == 40);
    CHECK(Checks(c, At(2), 40) == 40);
    c.Advance(kSecond);
  }
  CHECK(c.count(Counter::dropStunFlood) == 3 * (20'000 - CheckLimiter::kPerRemote));
}

TEST("a flood of checks under many names leaves every link what it needs to go on") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  DataPlaneTester c(3);
  Linked forged = Connect(a, c);
  Connect(b, c);
  c.TakeEvents();
  constexpr uint16_t kRemotes = 100;
  for (uint16_t port = 1; port <= kRemotes; port++) c.Run(BindRemote{forged.b, At(port)});
  size_t came = 0;
  for (uint16_t port = 1; port <= kRemotes; port++) came += Checks(c, At(port), 1000);
  CHECK(came == CheckLimiter::kPerSecond);
  CHECK(Checks(c, b.endpoint(), 1000) == CheckLimiter::kAssured);
  CHECK(Checks(c, a.endpoint(), 1000) == CheckLimiter::kAssured);
  c.Advance(kSecond);
  CHECK(Checks(c, b.endpoint(), 100) == 100);
}

}  // namespace idloc::test
