#include <openssl/x509.h>

#include <string>

#include "support/stream_pair.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

bool Queue(TlsStream* stream, const Bytes& datagram, bool urgent = false) {
  return stream->Queue(datagram.data(), datagram.size(), urgent);
}

}  // namespace

TEST("what was queued before TLS is done arrives after it, and datagrams pass both ways") {
  StreamPair s;
  CHECK(Queue(s.client.get(), Bytes(100, 1)));
  s.Carry();
  CHECK(s.client->state() == TlsStream::State::kOpen && s.server->state() == TlsStream::State::kOpen);
  CHECK((s.at_server == std::vector<Bytes>{Bytes(100, 1)}));
  CHECK(Queue(s.server.get(), Bytes(kMaxFrameBytes, 2)));
  s.Carry();
  CHECK((s.at_client == std::vector<Bytes>{Bytes(kMaxFrameBytes, 2)}));
}

TEST("what is urgent goes before the bulk that waits, which is refused when it is too much") {
  StreamPair s;
  s.Carry();
  size_t queued = 0;
  while (Queue(s.client.get(), Bytes(1000, 1))) queued++;
  CHECK(queued > 200 && queued * 1000 <= TlsStream::kMostBulkBytes);
  CHECK(Queue(s.client.get(), Bytes(10, 2), true));
  s.Carry();
  CHECK(s.at_server.size() == queued + 1 && s.at_server.front() == Bytes(10, 2));
}

TEST("before TLS is done no more than a few datagrams are kept") {
  StreamPair s;
  size_t queued = 0;
  while (Queue(s.client.get(), Bytes(1000, 1))) queued++;
  CHECK(queued * 1000 <= TlsStream::kMostEarlyBytes);
}

TEST("the host name and the first protocol that both name are what a passer-by sees") {
  StreamPair s;
  Bytes hello = StreamPair::Take(s.client.get());
  std::string text(hello.begin(), hello.end());
  CHECK(text.find("www.example.org") != std::string::npos);
  CHECK(text.find("http/1.1") != std::string::npos);
  s.Give(s.server.get(), hello);
  s.Carry();
  CHECK(s.client->state() == TlsStream::State::kOpen);
}

TEST("a stream that ends in order is closed at the other end, and neither takes anything more") {
  StreamPair s;
  s.Carry();
  s.client->Close();
  s.Carry();
  CHECK(s.server->state() == TlsStream::State::kClosed);
  CHECK(!Queue(s.server.get(), Bytes(10, 1)) && !Queue(s.client.get(), Bytes(10, 1)));
}

TEST("who speaks no TLS, or in TLS no datagrams, is closed") {
  StreamPair plain;
  std::string get = "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n";
  plain.Give(plain.server.get(), Bytes(get.begin(), get.end()));
  CHECK(plain.server->state() == TlsStream::State::kClosed);
  // The number of a channel is no length of a datagram.
  StreamPair strange(Framing::kLength, Framing::kTurn);
  strange.Carry();
  CHECK(strange.server->state() == TlsStream::State::kOpen);
  CHECK(Queue(strange.client.get(), {0x40, 1, 0, 4, 5, 6, 7, 8}));
  strange.Carry();
  CHECK(strange.server->state() == TlsStream::State::kClosed && strange.at_server.empty());
  CHECK(strange.client->state() == TlsStream::State::kClosed);
}

TEST("a TURN server that proves the name it is dialed by is spoken to, and nobody else") {
  const Bytes message{0x40, 1, 0, 2, 5, 6};
  for (const char* name : {"turn.example.net", "192.0.2.1"}) {
    NamedServer named("DNS:turn.example.net,IP:192.0.2.1");
    StreamPair s(&named, name, named.pem);
    CHECK(Queue(s.client.get(), message));
    s.Carry();
    CHECK((s.at_server == std::vector<Bytes>{message}) && s.client->reason().empty());
    CHECK(Queue(s.server.get(), message));
    s.Carry();
    CHECK((s.at_client == std::vector<Bytes>{message}));
  }
  // Another name, one that stands beside the names, another address, an authority that is not trusted.
  NamedServer other("DNS:other.example.net");
  struct {
    const char* names;
    const char* name;
    bool trusted;
    const char* reason;
  } cases[] = {
      {"DNS:other.example.net", "turn.example.net", true, "hostname mismatch"},
      {"DNS:*.example.net", "a.b.example.net", true, "hostname mismatch"},
      {"DNS:turn.example.net", "192.0.2.1", true, "IP address mismatch"},
      {"DNS:turn.example.net", "turn.example.net", false, "self-signed certificate"},
  };
  for (const auto& refused : cases) {
    NamedServer named(refused.names);
    StreamPair s(&named, refused.name, refused.trusted ? named.pem : other.pem);
    CHECK(Queue(s.client.get(), message));
    s.Carry();
    CHECK(s.client->state() == TlsStream::State::kClosed && s.at_server.empty());
    CHECK(s.client->reason() == std::string("its certificate is refused: ") + refused.reason);
    CHECK(s.server->state() == TlsStream::State::kClosed);
  }
}

TEST("authorities without a certificate, and a name that no certificate can have, are refused") {
  SslContext context;
  CHECK(MakeTurnClient("turn.example.net", "no certificate", &context).failed());
  CHECK(MakeTurnClient("", "", &context).failed());
  CHECK(context == nullptr);
}

TEST("without TLS messages pass as they are, padded, and none before TCP is connected") {
  StreamPair s = StreamPair::Plain(Framing::kTurn);
  const Bytes message{0x40, 1, 0, 1, 5};
  CHECK(Queue(s.client.get(), message) && StreamPair::Take(s.client.get()).empty());
  s.client->Start();
  s.server->Start();
  CHECK((StreamPair::Take(s.client.get()) == Bytes{0x40, 1, 0, 1, 5, 0, 0, 0}));
  CHECK(Queue(s.server.get(), message) && Queue(s.server.get(), message));
  s.Carry();
  CHECK((s.at_client == std::vector<Bytes>{message, message}));
  s.Give(s.client.get(), {'S', 'S', 'H', '-'});
  CHECK(s.client->state() == TlsStream::State::kClosed && !s.client->reason().empty());
}

TEST("a TURN server that is open may be silent, and has as long as others to get there") {
  StreamPair s(Framing::kTurn);
  CHECK(s.client->deadline() == kSecond + TlsStream::kHandshakeTime);
  s.Carry();
  CHECK(s.client->state() == TlsStream::State::kOpen && s.client->deadline() == kNever);
}

TEST("a handshake has ten seconds, and an open stream a minute without a byte") {
  StreamPair s;
  CHECK(s.server->deadline() == kSecond + TlsStream::kHandshakeTime);
  // Bytes of a handshake do not make it longer.
  s.now += 5 * kSecond;
  s.Give(s.server.get(), {0x16});
  CHECK(s.server->deadline() == kSecond + TlsStream::kHandshakeTime);
  StreamPair open;
  open.Carry();
  open.now += 5 * kSecond;
  CHECK(Queue(open.client.get(), Bytes(10, 1)));
  open.Carry();
  CHECK(open.server->deadline() == open.now + TlsStream::kIdleTime);
}

}  // namespace idloc::test
