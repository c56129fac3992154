// A ClientHello that its sender has cut in pieces (RFC 6347 s4.2.3): `openssl s_client -mtu 256`, or a stack
// with large key shares.
#include <algorithm>
#include <utility>

#include "link/record_format.h"
#include "support/data_plane_tester.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

void Put(Bytes* out, size_t at, size_t bytes, size_t value) {
  for (size_t i = 0; i < bytes; i++) (*out)[at + i] = static_cast<uint8_t>(value >> (8 * (bytes - 1 - i)));
}

// One datagram a piece, each with at most `most` bytes of the message; `turn` numbers repetitions.
std::vector<Bytes> Cut(const Bytes& hello, size_t most, size_t turn = 0) {
  constexpr size_t kHeaders = kRecordHeaderBytes + kHandshakeHeaderBytes;
  std::vector<Bytes> out;
  for (size_t at = kHeaders; at < hello.size(); at += most) {
    size_t size = std::min(most, hello.size() - at);
    Bytes& piece = out.emplace_back(hello.begin(), hello.begin() + kHeaders);
    piece.insert(piece.end(), hello.begin() + static_cast<ptrdiff_t>(at),
                 hello.begin() + static_cast<ptrdiff_t>(at + size));
    // Later ones have greater numbers, all within the replay window of what the client sends after them.
    Put(&piece, 9, 2, 20 + hello[10] * size_t{16} + turn * 5 + out.size());
    Put(&piece, 11, 2, kHandshakeHeaderBytes + size);
    Put(&piece, kRecordHeaderBytes + 6, 3, at - kHeaders);
    Put(&piece, kRecordHeaderBytes + 9, 3, size);
  }
  return out;
}

// What `client` sends to begin, in one piece.
Bytes FirstHello(DataPlaneTester& client, LinkId link, const DataPlaneTester& server) {
  client.Run(SetPath{link, Path{{}, server.endpoint()}});
  std::vector<Bytes> sent = TakeSent();
  CHECK(sent.size() == 1);
  return sent[0];
}

// The ClientHello that brings the cookie of the answer to `hello`.
Bytes SecondHello(DataPlaneTester& client, DataPlaneTester& server, const Bytes& hello, size_t most) {
  std::vector<Bytes> pieces = Cut(hello, most);
  CHECK(pieces.size() > 1);
  server.ReceiveBatch(pieces, client.endpoint());
  std::vector<Bytes> cookie = TakeSent();
  CHECK(cookie.size() == 1 && cookie[0].size() <= pieces[0].size());
  client.ReceiveBatch(cookie, server.endpoint());
  std::vector<Bytes> second = TakeSent();
  CHECK(second.size() == 1);
  return second[0];
}

bool IsConnected(DataPlaneTester& host, LinkId id) {
  const Link* link = host.FindLink(id);
  return link != nullptr && link->connected;
}

LinkId IncomingLink(DataPlaneTester& host) {
  for (const Event& event : host.TakeEvents()) {
    if (event.type == EventType::kIncoming) return event.link;
  }
  return 0;
}

// Both carry random, session ID and cookie in their first piece, which is all that a stranger is judged by.
constexpr size_t kSizes[] = {67, 100, 120};

}  // namespace

TEST("a stranger whose ClientHellos come in pieces proves its address by a cookie and is linked") {
  for (size_t most : kSizes) {
    ResetDevices();
    DataPlaneTester client(1);
    DataPlaneTester server(2);
    LinkId ours = client.OpenLink(false);
    Bytes second = SecondHello(client, server, FirstHello(client, ours, server), most);
    CHECK(server.links() == 0 && server.handshakes() == 0);
    server.ReceiveBatch(Cut(second, std::max<size_t>(most, 99)), client.endpoint());
    Carry(client, server);
    LinkId theirs = IncomingLink(server);
    CHECK(IsConnected(client, ours) && IsConnected(server, theirs) && server.links() == 1);
  }
}

TEST("a ClientHello in pieces starts the link that waits for it, with and without a cookie before") {
  for (bool bound_before : {true, false}) {
    ResetDevices();
    DataPlaneTester client(1);
    DataPlaneTester server(2);
    LinkId ours = client.OpenLink(false);
    LinkId theirs = server.OpenLink(true);
    Bytes hello = FirstHello(client, ours, server);
    if (!bound_before) hello = SecondHello(client, server, hello, 100);
    server.Run(BindRemote{theirs, client.endpoint()});
    server.ReceiveBatch(Cut(hello, 100), client.endpoint());
    Carry(client, server);
    CHECK(IsConnected(client, ours) && IsConnected(server, theirs));
    CHECK(server.links() == 1 && server.count(Counter::cookiesSent) == (bound_before ? 0 : 1));
  }
}

TEST("pieces that are lost, swapped or repeated belong to one handshake, and it is made when all are there") {
  ResetDevices();
  DataPlaneTester client(1);
  DataPlaneTester server(2);
  LinkId ours = client.OpenLink(false);
  Bytes second = SecondHello(client, server, FirstHello(client, ours, server), 100);
  std::vector<Bytes> pieces = Cut(second, 100);
  CHECK(pieces.size() >= 2);
  // The first one is lost.
  server.ReceiveBatch({pieces.begin() + 1, pieces.end()}, client.endpoint());
  CHECK(server.links() == 0 && TakeSent().empty());
  // The last one is, then it is the only one to come.
  pieces = Cut(second, 100, 1);
  server.ReceiveBatch({pieces.begin(), pieces.end() - 1}, client.endpoint());
  pieces = Cut(second, 100, 2);
  server.ReceiveBatch({pieces.begin(), pieces.end() - 1}, client.endpoint());
  CHECK(server.links() == 1 && server.handshakes() == 1 && TakeSent().empty());
  pieces = Cut(second, 100, 3);
  std::reverse(pieces.begin(), pieces.end());
  server.ReceiveBatch(pieces, client.endpoint());
  Carry(client, server);
  CHECK(IsConnected(client, ours) && IsConnected(server, IncomingLink(server)) && server.links() == 1);
}

TEST("pieces of strangers without a cookie leave nothing behind, and bring back no more bytes than came") {
  ResetDevices();
  DataPlaneTester client(1);
  DataPlaneTester server(2);
  Bytes hello = FirstHello(client, client.OpenLink(false), server);
  size_t received = 0;
  for (uint16_t port = 10'000; port < 10'500; port++) {
    for (const Bytes& piece : Cut(hello, 20 + port % 150)) {
      received += piece.size();
      server.ReceiveDatagram(piece, {client.endpoint().address, port});
    }
  }
  size_t sent = 0;
  for (const Bytes& datagram : TakeSent()) sent += datagram.size();
  CHECK(sent > 0 && sent < received);
  CHECK(server.links() == 0 && server.handshakes() == 0 && server.TakeEvents().empty());
}

TEST("a first piece of a ClientHello that claims to be larger than any is not answered") {
  ResetDevices();
  DataPlaneTester client(1);
  DataPlaneTester server(2);
  Bytes piece = Cut(FirstHello(client, client.OpenLink(false), server), 100)[0];
  Put(&piece, kRecordHeaderBytes + 1, 3, kMaxClientHelloBytes);
  server.ReceiveDatagram(piece, client.endpoint());
  CHECK(TakeSent().size() == 1);
  Put(&piece, kRecordHeaderBytes + 1, 3, kMaxClientHelloBytes + 1);
  server.ReceiveDatagram(piece, client.endpoint());
  CHECK(TakeSent().empty() && server.count(Counter::dropBadRecord) == 1);
}

TEST("later pieces of a ClientHello disturb neither a client's handshake nor a connected link") {
  ResetDevices();
  DataPlaneTester a(1);
  DataPlaneTester b(2);
  DataPlaneTester stranger(3);
  Bytes hello = FirstHello(stranger, stranger.OpenLink(false), a);
  std::vector<Bytes> later = Cut(hello, 60);
  later.erase(later.begin());
  LinkId ours = a.OpenLink(false);
  a.Run(SetPath{ours, Path{{}, b.endpoint()}});
  a.ReceiveBatch(later, b.endpoint());
  b.ReceiveBatch(later, a.endpoint());
  Carry(a, b);
  LinkId theirs = IncomingLink(b);
  CHECK(IsConnected(a, ours) && IsConnected(b, theirs));
  a.ReceiveBatch(later, b.endpoint());
  b.ReceiveBatch(later, a.endpoint());
  a.Run(SendRecord{ours, {0x80, 1}});
  Carry(a, b);
  std::vector<Event> events = b.TakeEvents();
  CHECK(!events.empty() && events.back().type == EventType::kRecord);
}

}  // namespace idloc::test
