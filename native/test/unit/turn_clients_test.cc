// Clients of this host as a TURN server that come by streams.
#include <algorithm>
#include <string>
#include <utility>

#include "support/stream_host.h"
#include "support/stream_pair.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

Bytes StunRequest(size_t attributes = 0) {
  Bytes out(20 + attributes, 7);
  StoreBe16(out.data(), 0x0003);
  StoreBe16(out.data() + 2, static_cast<uint16_t>(attributes));
  StoreBe32(out.data() + 4, 0x2112a442);
  return out;
}

Bytes Framed(const Bytes& datagram) {
  Bytes out(2);
  StoreBe16(out.data(), static_cast<uint16_t>(datagram.size()));
  out.insert(out.end(), datagram.begin(), datagram.end());
  return out;
}

// What it is found to be, in pieces of so many bytes.
FirstBytes::Verdict Tell(const Bytes& stream, size_t piece) {
  FirstBytes first(true);
  Bytes taken;
  for (size_t at = 0; at < stream.size(); at += piece) {
    size_t length = std::min(piece, stream.size() - at);
    size_t used = first.Look(&stream[at], length);
    CHECK(used <= length);
    if (first.verdict() != FirstBytes::Verdict::kMore) break;
    CHECK(used == length);
  }
  CHECK(std::equal(first.data(), first.data() + first.size(), stream.begin()));
  return first.verdict();
}

// A client that offers `alpn`, and a server that takes TURN clients.
StreamPair Accepting(Framing client, std::vector<std::string> alpn = {"http/1.1"}) {
  StreamPair s(client);
  s.guise.alpn = std::move(alpn);
  CHECK(!MakeStreamClient(s.guise, &s.client_context).failed());
  static const StreamGuise kGuise{"", {"http/1.1", kTurnProtocol}};
  CHECK(!MakeStreamServer(kGuise, {}, &s.server_context).failed());
  s.client = TlsStream::Create(s.client_context.get(), false, {}, s.now, client);
  s.server = TlsStream::CreateAccepted(s.server_context.get(), true, s.now);
  s.client->Start();
  s.Carry();
  return s;
}

void Say(const Fd& fd, const Bytes& bytes) {
  CHECK(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

}  // namespace

TEST(
    "STUN at the beginning of a stream is told from TLS, and from what members frame, by eight bytes at "
    "most") {
  Bytes dtls(40, 0);
  dtls[0] = 22;
  dtls[1] = 0xfe;
  dtls[2] = 0xfd;
  Bytes of_channel{0x40, 1, 0, 4, 1, 2, 3, 4};
  Bytes no_cookie = StunRequest();
  no_cookie[7] = 0;
  Bytes odd = StunRequest();
  odd[3] = 2;
  for (size_t piece : {size_t{1}, size_t{3}, size_t{8}, size_t{100}}) {
    CHECK(Tell(StunRequest(), piece) == FirstBytes::Verdict::kTurn);
    CHECK(Tell(StunRequest(1'200), piece) == FirstBytes::Verdict::kTurn);
    for (const Bytes& other :
         {Bytes{22, 3, 1, 0}, Framed(StunRequest()), Framed(dtls), of_channel, no_cookie, odd, Bytes{'G'}})
      CHECK(Tell(other, piece) == FirstBytes::Verdict::kOther);
  }
  CHECK(Tell({0, 3, 0, 0, 0x21, 0x12, 0xa4}, 1) == FirstBytes::Verdict::kMore);
  CHECK(FirstBytes(false).verdict() == FirstBytes::Verdict::kOther);
}

TEST("TURN over TCP is taken wherever it is cut, and answered as it is; TLS is left alone") {
  for (size_t piece : {size_t{1}, size_t{7}, size_t{8}, size_t{9}, size_t{500}}) {
    StreamPair s = Accepting(Framing::kLength);
    s.server = TlsStream::CreateAccepted(s.server_context.get(), true, s.now);
    Bytes said = StunRequest(4);
    said.insert(said.end(), kInChannelPadded.begin(), kInChannelPadded.end());
    for (size_t at = 0; at < said.size(); at += piece) {
      Bytes part(said.begin() + static_cast<ptrdiff_t>(at),
                 said.begin() + static_cast<ptrdiff_t>(std::min(said.size(), at + piece)));
      s.Give(s.server.get(), part);
      CHECK(s.server->state() == (at + piece < 8 ? TlsStream::State::kHandshaking : TlsStream::State::kOpen));
    }
    CHECK((s.at_server == std::vector<Bytes>{StunRequest(4), kInChannel}));
    CHECK(s.server->framing() == Framing::kTurn && s.server->deadline() == kNever);
    CHECK(s.server->Queue(kInChannel.data(), kInChannel.size(), false));
    CHECK(StreamPair::Take(s.server.get()) == kInChannelPadded);
    s.Give(s.server.get(), {'S', 'S', 'H', '-'});
    CHECK(s.server->state() == TlsStream::State::kClosed);
  }
}

TEST("in TLS a stream is what ALPN says, or what it says first: TURN, or datagrams of a member") {
  const std::vector<std::string> offers[] = {{"http/1.1"}, {kTurnProtocol}, {}};
  for (const auto& alpn : offers) {
    StreamPair s = Accepting(Framing::kTurn, alpn);
    CHECK(s.server->state() == TlsStream::State::kOpen);
    bool is_known = alpn == offers[1];
    CHECK(s.server->framing() == (is_known ? Framing::kTurn : Framing::kLength));
    // By ALPN anything of TURN may come first.
    Bytes first = is_known ? kInChannel : StunRequest();
    CHECK(s.client->Queue(first.data(), first.size(), false));
    s.Carry();
    CHECK(s.server->framing() == Framing::kTurn && s.at_server == std::vector<Bytes>{first});
    CHECK(s.server->Queue(kInChannel.data(), kInChannel.size(), false));
    s.Carry();
    CHECK(s.at_client == std::vector<Bytes>{kInChannel});
  }
  StreamPair member = Accepting(Framing::kLength);
  for (const Bytes& datagram : {StunRequest(), Bytes(1'400, 22)}) {
    CHECK(member.client->Queue(datagram.data(), datagram.size(), false));
    CHECK(member.server->Queue(datagram.data(), datagram.size(), false));
    member.Carry();
    CHECK(member.at_server.back() == datagram && member.at_client.back() == datagram);
  }
  CHECK(member.server->framing() == Framing::kLength);
}

TEST("of TURN in TLS nothing comes out before it is whole, and what is neither ends it") {
  StreamPair s = Accepting(Framing::kTurn, {kTurnProtocol});
  s.client = TlsStream::Create(s.client_context.get(), false, {}, s.now, Framing::kLength);
  s.server = TlsStream::CreateAccepted(s.server_context.get(), true, s.now);
  s.client->Start();
  s.Carry();
  // A frame of a member, to whom is taken at its word.
  CHECK(s.client->Queue(Bytes(9, 1).data(), 9, false));
  s.Carry();
  CHECK(s.server->state() == TlsStream::State::kClosed && s.at_server.empty());
}

TEST("where no TURN is served, what begins so is TLS that comes to nothing") {
  StreamPair s = Accepting(Framing::kTurn);
  s.server = TlsStream::CreateAccepted(s.server_context.get(), false, s.now);
  s.Give(s.server.get(), StunRequest());
  s.Give(s.server.get(), StunRequest());
  CHECK(s.server->state() == TlsStream::State::kClosed && s.at_server.empty());
}

TEST("a stream that does not say what it is has ten seconds, in TLS too until its datagrams tell") {
  StreamPair s = Accepting(Framing::kLength);
  s.server = TlsStream::CreateAccepted(s.server_context.get(), true, s.now);
  s.now += 9 * kSecond;
  s.Give(s.server.get(), {0, 3, 0, 0, 0x21});
  CHECK(s.server->deadline() == kSecond + TlsStream::kHandshakeTime);
  CHECK(s.server->state() == TlsStream::State::kHandshaking);
  s.server->Close();
  CHECK(s.server->state() == TlsStream::State::kClosed && StreamPair::Take(s.server.get()).empty());
}

TEST("a certificate of the configuration is what a stream shows, with those behind it") {
  NamedServer named("DNS:turn.example.net");
  StreamGuise guise{"", {kTurnProtocol}};
  StreamPair s;
  CHECK(!MakeStreamServer(guise, {named.pem, named.key_pem}, &s.server_context).failed());
  CHECK(!MakeTurnClient("turn.example.net", named.pem, &s.client_context).failed());
  s.client = TlsStream::Create(s.client_context.get(), false, {}, s.now, Framing::kTurn);
  s.server = TlsStream::CreateAccepted(s.server_context.get(), true, s.now);
  s.client->Start();
  s.Carry();
  CHECK(s.client->state() == TlsStream::State::kOpen && s.server->framing() == Framing::kTurn);
  NamedServer other("DNS:turn.example.net");
  SslContext context;
  for (const auto& [certificates, key] : {std::pair<std::string, std::string>{named.pem, other.key_pem},
                                          {named.pem, ""},
                                          {"none", named.key_pem}})
    CHECK(MakeStreamServer({}, {certificates, key}, &context).code == "bad_stream" && context == nullptr);
}

TEST("a TURN client's stream has our address and its own, is answered, and its end is told once") {
  StreamHost server(true, true);
  Fd fd = ConnectPlain(server.listener().port);
  Say(fd, StunRequest());
  CHECK(Until({&server}, [&] { return server.came.size() == 1; }));
  const Path client = server.by;
  CHECK(client.local == kLoopback.swapped_for_stream() && client.remote.address == client.local);
  CHECK(server.came[0].second == StunRequest() && server.streams.IsTurnClient(client));
  CHECK(!server.streams.IsTurnClient({kStreamLocal, client.remote}));
  CHECK(server.Send(client.remote, kInChannel));
  CHECK(ReadSome(fd) == kInChannelPadded);
  // Of a link nothing goes there.
  CHECK(!server.Send(client.remote, {22, 0xfe, 0xfd, 0, 0, 0, 0, 0}));
  CHECK(server.left.empty());
  fd = {};
  CHECK(Until({&server}, [&] { return !server.left.empty(); }));
  server.Turn();
  CHECK(server.left.size() == 1 && server.left[0] == client && !server.streams.IsTurnClient(client));
  CHECK(server.streams.accepted() == 0);
}

TEST("a TURN client over TLS is served as over TCP, and a member by the same port") {
  StreamHost server(true, true);
  StreamHost client(false);
  StreamHost member(false);
  Streams::TurnDial dial{1, server.listener(), true, {}, nullptr, {}};
  CHECK(!MakeStreamClient({"", {kTurnProtocol}}, &dial.context).failed());
  client.streams.DialTurn(std::move(dial), client.now);
  CHECK(client.Send(Path{kTurnServerLocal, server.listener()}, StunRequest()));
  CHECK(Until({&server, &client}, [&] { return server.came.size() == 1; }));
  const Path path = server.by;
  CHECK(server.streams.IsTurnClient(path) && server.Send(path.remote, kInChannel));
  CHECK(Until({&server, &client}, [&] { return client.came.size() == 1; }));
  CHECK(client.came[0].second == kInChannel);
  member.streams.Dial(server.listener(), member.now);
  CHECK(member.Send(server.listener(), Bytes(100, 1)));
  CHECK(Until({&server, &member}, [&] { return server.came.size() == 2; }));
  CHECK(server.by.local == kStreamLocal && !server.streams.IsTurnClient(server.by));
}

TEST(
    "a TURN client without an allocation is left after fifteen seconds, with one it may be silent for long") {
  StreamHost server(true, true);
  Fd fd = ConnectPlain(server.listener().port);
  Say(fd, StunRequest());
  CHECK(Until({&server}, [&] { return server.came.size() == 1; }));
  server.now += 10 * TlsStream::kIdleTime;
  server.Turn();
  CHECK(server.left.empty() && server.streams.accepted() == 1);
  server.used = false;
  server.now += Streams::kGrace;
  server.Turn();
  CHECK(server.left.size() == 1 && server.streams.accepted() == 0);
}

TEST("many streams that bring a few bytes, or one each second, cost no more than what others may, and end") {
  StreamHost server(true, true);
  std::vector<Fd> strangers;
  for (size_t i = 0; i < Streams::kMostOfAddress + 3; i++) {
    strangers.push_back(ConnectPlain(server.listener().port));
    Bytes half = StunRequest();
    half.resize(1 + i % 19);
    Say(strangers.back(), half);
  }
  CHECK(Until({&server}, [&] { return server.count(Counter::dropStreamRefused) == 3; }));
  CHECK(server.streams.accepted() == Streams::kMostOfAddress);
  server.used = false;
  for (int i = 0; i < 9; i++) {
    server.now += 2 * kSecond;
    // Some get to the end of a message, which makes no difference.
    for (const Fd& fd : strangers) send(fd.get(), "\x21", 1, MSG_NOSIGNAL);
    Until({&server}, [] { return true; });
  }
  CHECK(Until({&server}, [&] { return server.streams.accepted() == 0; }));
  for (const auto& [remote, message] : server.came) CHECK(message.size() == StunRequest().size());
}

TEST("for a TURN client that reads nothing a bounded number of datagrams waits, and others are served") {
  StreamHost server(true, true);
  Fd slow = ConnectPlain(server.listener().port);
  Say(slow, StunRequest());
  CHECK(Until({&server}, [&] { return server.came.size() == 1; }));
  const Path client = server.by;
  Bytes large(1'404, 1);
  StoreBe16(large.data(), 0x4001);
  StoreBe16(large.data() + 2, 1'400);
  for (int i = 0; i < 100'000 && server.count(Counter::dropStreamFull) == 0; i++)
    server.Send(client.remote, large);
  CHECK(server.count(Counter::dropStreamFull) == 1 && server.streams.IsTurnClient(client));
  Fd quick = ConnectPlain(server.listener().port);
  Say(quick, StunRequest());
  CHECK(Until({&server}, [&] { return server.came.size() == 2; }));
  CHECK(server.Send(server.by.remote, kInChannel) && ReadSome(quick) == kInChannelPadded);
}

}  // namespace idloc::test
