#include <utility>

#include "support/data_plane_tester.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

std::vector<Bytes> TakeSent() {
  std::vector<Bytes> out;
  for (const SentGroup& group : std::exchange(udp_sent, {})) {
    for (Bytes& datagram : Datagrams(group)) out.push_back(std::move(datagram));
  }
  return out;
}

}  // namespace

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

}  // namespace idloc::test
