#include <openssl/x509.h>

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
  StreamPair web;
  web.Carry();
  // "GE" is no length.
  Bytes frames(get.begin(), get.end());
  CHECK(LoadBe16(frames.data()) > kMaxFrameBytes);
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
