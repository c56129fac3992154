// Over TCP of this host.
#include <string>
#include <utility>

#include "support/stream_host.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

// TCP as a TURN server has it; what it says is up to the test.
struct TurnListener {
  Fd fd;
  Endpoint remote;

  TurnListener() {
    BringLoopbackUp();
    fd = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    CHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) == 0 && listen(fd.get(), 8) == 0);
    CHECK(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    remote = {kLoopback.swapped_for_stream(), ntohs(address.sin_port)};
  }
  Path path() const { return {kTurnServerLocal, remote}; }
  Fd Accept() const { return Fd(accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
};

Streams::TurnDial PlainDial(uint32_t id, const Endpoint& remote) {
  return {id, remote, false, {}, nullptr, {}};
}

}  // namespace

TEST("an address and what stands for a stream to it lead to each other, in both families") {
  for (const char* text : {"203.0.113.7", "2001:db8::1", "fd00::7", "fe80::1", "::1"}) {
    IpAddress address = *IpAddress::Parse(text);
    CHECK(!address.is_stream() && address.swapped_for_stream().is_stream());
    CHECK(address.swapped_for_stream().swapped_for_stream() == address);
    CHECK(!address.swapped_for_stream().is_v4() && !address.swapped_for_stream().is_hit());
  }
  CHECK(kStreamLocal.is_stream() && !IpAddress::Parse("2001:20::1")->is_stream());
}

TEST("datagrams pass both ways by a stream that was dialed, and each end is the other's remote") {
  StreamHost server(true);
  StreamHost client(false);
  client.streams.Dial(server.listener(), client.now);
  CHECK(client.Send(server.listener(), Bytes(200, 1)));
  CHECK(Until({&server, &client}, [&] { return server.came.size() == 1; }));
  Endpoint remote = server.came[0].first;
  CHECK(remote.address == kLoopback.swapped_for_stream() && server.came[0].second == Bytes(200, 1));
  CHECK(server.Send(remote, Bytes(100, 2)));
  CHECK(Until({&server, &client}, [&] { return client.came.size() == 1; }));
  CHECK(client.came[0].first == server.listener());
  CHECK(client.count(Counter::streamsDialed) == 1 && server.count(Counter::streamsAccepted) == 1);
}

TEST("nothing is sent to where nobody dialed, nor dialed to what is no stream, or too often") {
  StreamHost client(false);
  CHECK(!client.Send(Endpoint{kLoopback.swapped_for_stream(), 443}, Bytes(10, 1)));
  CHECK(client.count(Counter::dropNoStream) == 1);
  client.streams.Dial({kLoopback, 443}, client.now);
  client.streams.Dial({IpAddress::Parse("2001:20::1")->swapped_for_stream(), 443}, client.now);
  client.streams.Dial({kLoopback.swapped_for_stream(), 0}, client.now);
  CHECK(client.count(Counter::streamsDialed) == 0);
  for (uint16_t port = 1; port <= Streams::kMostDialed + 3; port++)
    client.streams.Dial({kLoopback.swapped_for_stream(), port}, client.now);
  CHECK(client.count(Counter::dropStreamRefused) == 3);
}

TEST("a stream that is lost is dialed again with the next datagram, after a pause") {
  auto server = std::make_unique<StreamHost>(true);
  StreamHost client(false);
  Endpoint remote = server->listener();
  client.streams.Dial(remote, client.now);
  CHECK(client.Send(remote, Bytes(10, 1)));
  CHECK(Until({server.get(), &client}, [&] { return server->came.size() == 1; }));
  server.reset();
  CHECK(Until({&client}, [&] { return client.count(Counter::streamsEnded) == 1; }));
  client.now += 2 * kSecond;
  CHECK(client.Send(remote, Bytes(10, 2)));
  CHECK(Until({&client}, [&] { return client.count(Counter::streamsEnded) == 2; }));
  // Nobody is there: not at once again.
  CHECK(!client.Send(remote, Bytes(10, 3)));
  CHECK(client.count(Counter::streamsDialed) == 2);
}

TEST("a stream that no link goes by is over, at both ends, and what is sent there is dropped") {
  StreamHost server(true);
  StreamHost client(false);
  client.streams.Dial(server.listener(), client.now);
  CHECK(client.Send(server.listener(), Bytes(10, 1)));
  CHECK(Until({&server, &client}, [&] { return server.came.size() == 1; }));
  server.used = client.used = false;
  server.now += Streams::kGrace;
  CHECK(Until({&server, &client}, [&] { return server.streams.accepted() == 0; }));
  CHECK(Until({&server, &client}, [&] { return client.count(Counter::streamsEnded) == 1; }));
  client.now += Streams::kDialedGrace;
  client.Turn();
  CHECK(!client.Send(server.listener(), Bytes(10, 1)));
  CHECK(client.count(Counter::streamsDialed) == 1 && client.streams.NextTimeout() == kNever);
}

TEST("a stranger who says nothing is left after ten seconds, and of one address only so many are taken") {
  StreamHost server(true);
  std::vector<Fd> strangers;
  for (size_t i = 0; i < Streams::kMostOfAddress + 5; i++)
    strangers.push_back(ConnectPlain(server.listener().port));
  CHECK(Until({&server}, [&] { return server.count(Counter::dropStreamRefused) == 5; }));
  CHECK(server.streams.accepted() == Streams::kMostOfAddress);
  server.now += TlsStream::kHandshakeTime;
  server.Turn();
  CHECK(server.streams.accepted() == 0 && server.streams.NextTimeout() == kNever);
}

TEST("no more handshakes begin in a second than there may") {
  StreamHost server(true);
  std::vector<Fd> strangers;
  for (uint32_t i = 0; i < Streams::kMostPerSecond + 8; i++) {
    strangers.push_back(ConnectPlain(server.listener().port));
    // Gone again, and looked at: it counts all the same.
    strangers.clear();
    CHECK(Until({&server}, [&] { return server.streams.accepted() == 0; }));
  }
  CHECK(Until({&server}, [&] {
    return server.count(Counter::streamsAccepted) + server.count(Counter::dropStreamRefused) ==
           Streams::kMostPerSecond + 8;
  }));
  CHECK(server.count(Counter::streamsAccepted) <= Streams::kMostPerSecond);
}

TEST("bulk for a peer that reads nothing is dropped, and what is urgent still finds room") {
  StreamHost server(true);
  StreamHost client(false);
  client.streams.Dial(server.listener(), client.now);
  CHECK(client.Send(server.listener(), Bytes(10, 1)));
  CHECK(Until({&server, &client}, [&] { return server.came.size() == 1; }));
  Endpoint remote = server.came[0].first;
  size_t taken = 0;
  for (int i = 0; i < 100'000 && server.count(Counter::dropStreamFull) == 0; i++)
    taken += server.Send(remote, Bytes(1'400, 2)) ? 1 : 0;
  CHECK(server.count(Counter::dropStreamFull) == 1);
  CHECK(server.Send(remote, Bytes(10, 3), true));
  CHECK(Until({&server, &client}, [&] { return client.came.size() == taken + 1; }));
}

TEST("when the address of this host is gone a dialed stream is made anew at once") {
  StreamHost server(true);
  StreamHost client(false);
  client.streams.Dial(server.listener(), client.now);
  CHECK(client.Send(server.listener(), Bytes(10, 1)));
  CHECK(Until({&server, &client}, [&] { return server.came.size() == 1; }));
  client.streams.NetworkChanged([](const IpAddress& address) { return address == kLoopback; });
  CHECK(client.count(Counter::streamsEnded) == 0);
  client.streams.NetworkChanged([](const IpAddress&) { return false; });
  CHECK(client.count(Counter::streamsEnded) == 1);
  CHECK(client.Send(server.listener(), Bytes(10, 2)));
  CHECK(Until({&server, &client}, [&] { return server.came.size() == 2; }));
}

TEST("messages pass both ways by TCP to a TURN server, which hears when it is hung up; nobody is told then") {
  TurnListener server;
  StreamHost client(false);
  client.streams.DialTurn(PlainDial(7, server.remote), client.now);
  Fd accepted = server.Accept();
  CHECK(client.Send(server.path(), kInChannel));
  CHECK(Until({&client}, [&] {
    Bytes peeked(64);
    return recv(accepted.get(), peeked.data(), peeked.size(), MSG_PEEK | MSG_DONTWAIT) > 0;
  }));
  CHECK(ReadSome(accepted) == kInChannelPadded);
  CHECK(send(accepted.get(), kInChannelPadded.data(), kInChannelPadded.size(), 0) == 12);
  CHECK(Until({&client}, [&] { return client.came.size() == 1; }));
  CHECK(client.came[0].first == server.remote && client.came[0].second == kInChannel);
  CHECK(client.Send(server.path(), kInChannel));
  client.streams.HangUp(7);
  CHECK(ReadSome(accepted) == kInChannelPadded && ReadSome(accepted).empty());
  CHECK(client.ended.empty() && client.streams.NextTimeout() == kNever);
  CHECK(!client.Send(server.path(), kInChannel));
}

TEST("the end of a stream to a TURN server is told once, with the reason, and it is not dialed again") {
  TurnListener server;
  StreamHost client(false);
  auto told = [&](uint32_t id) {
    CHECK(Until({&client}, [&] { return client.ended.size() == 1; }));
    CHECK(client.ended[0].first == id);
    std::string reason = client.ended[0].second;
    client.ended.clear();
    client.Turn();
    CHECK(client.ended.empty() && !client.Send(server.path(), kInChannel));
    CHECK(client.streams.NextTimeout() == kNever);
    return reason;
  };
  client.streams.DialTurn(PlainDial(1, server.remote), client.now);
  { Fd accepted = server.Accept(); }
  CHECK(told(1) == "it has closed the connection");
  client.streams.DialTurn(PlainDial(2, server.remote), client.now);
  Fd other = server.Accept();
  CHECK(send(other.get(), "SSH-2.0-x", 9, 0) == 9);
  CHECK(told(2) == "what it says is none of the datagrams expected");
  server.fd = {};
  client.streams.DialTurn(PlainDial(3, server.remote), client.now);
  CHECK(told(3) == "Connection refused");
  client.streams.DialTurn(PlainDial(4, {kLoopback, 3478}), client.now);
  CHECK(told(4) == "it is no place to dial, or one too many");
}

TEST("over TLS a TURN server without a certificate for its name is told to be refused") {
  StreamHost server(true);
  StreamHost client(false);
  Streams::TurnDial dial{9, server.listener(), true, "turn.example.net", nullptr, {}};
  CHECK(!MakeTurnClient(dial.server_name, {}, &dial.context).failed());
  client.streams.DialTurn(std::move(dial), client.now);
  CHECK(Until({&server, &client}, [&] { return client.ended.size() == 1; }));
  CHECK(client.ended[0].second == "its certificate is refused: self-signed certificate");
}

TEST("what is no message to a TURN server is not sent there") {
  TurnListener server;
  StreamHost client(false);
  client.streams.DialTurn(PlainDial(1, server.remote), client.now);
  CHECK(!client.Send(server.path(), {0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0}));
  CHECK(client.count(Counter::dropStreamFull) == 1 && client.count(Counter::streamsDialed) == 1);
}

TEST("a member's stream and one to a TURN server go to one place beside each other, whichever comes first") {
  for (bool member_first : {true, false}) {
    StreamHost server(true, true);
    StreamHost client(false);
    const Endpoint remote = server.listener();
    Bytes of_turn(20, 0);
    of_turn[1] = 3;
    StoreBe32(&of_turn[4], 0x2112a442);
    if (member_first) client.streams.Dial(remote, client.now);
    client.streams.DialTurn(PlainDial(1, remote), client.now);
    client.streams.Dial(remote, client.now);
    CHECK(client.count(Counter::streamsDialed) == 2);
    CHECK(client.Send(remote, Bytes(50, 22)) && client.Send(Path{kTurnServerLocal, remote}, of_turn));
    CHECK(Until({&server, &client}, [&] { return server.came.size() == 2; }));
    CHECK(server.streams.accepted() == 2);
    for (const auto& [from, datagram] : server.came)
      CHECK(datagram == of_turn ? server.Send(from, kInChannel) : server.Send(from, Bytes(60, 23)));
    CHECK(Until({&server, &client}, [&] { return client.came.size() == 2; }));
    client.streams.HangUp(1);
    CHECK(Until({&server, &client}, [&] { return server.streams.accepted() == 1; }));
    CHECK(client.Send(remote, Bytes(50, 24)));
    CHECK(Until({&server, &client}, [&] { return server.came.size() == 3; }));
  }
}

TEST("to a TURN server one stream is dialed at a time, and to no more servers than there may be") {
  TurnListener server;
  StreamHost client(false);
  client.streams.DialTurn(PlainDial(1, server.remote), client.now);
  CHECK(client.Send(server.path(), kInChannel) && client.ended.empty());
  client.streams.DialTurn(PlainDial(2, server.remote), client.now);
  CHECK(client.ended.size() == 1 && client.ended[0].first == 1);
  std::vector<TurnListener> others(Streams::kMostTurn);
  for (uint32_t i = 0; i < others.size(); i++)
    client.streams.DialTurn(PlainDial(10 + i, others[i].remote), client.now);
  CHECK(client.ended.size() == 2 && client.ended[1].first == 10 + others.size() - 1);
}

TEST("a TURN server that reads nothing has no more waiting for it than anybody, and may be silent for long") {
  TurnListener server;
  StreamHost client(false);
  client.streams.DialTurn(PlainDial(1, server.remote), client.now);
  Fd accepted = server.Accept();
  client.used = false;
  CHECK(Until({&client}, [&] { return client.Send(server.path(), kInChannel); }));
  client.now += 10 * TlsStream::kIdleTime;
  client.Turn();
  CHECK(client.ended.empty());
  Bytes large(1404, 1);
  StoreBe16(large.data(), 0x4001);
  StoreBe16(large.data() + 2, 1400);
  for (int i = 0; i < 100'000 && client.count(Counter::dropStreamFull) == 0; i++)
    client.Send(server.path(), large);
  CHECK(client.count(Counter::dropStreamFull) == 1);
  CHECK(client.Send(server.path(), kInChannel, true));
}

TEST("when the address of this host is gone the stream to a TURN server is over, and that is told") {
  TurnListener server;
  StreamHost client(false);
  client.streams.DialTurn(PlainDial(1, server.remote), client.now);
  client.streams.NetworkChanged([](const IpAddress&) { return true; });
  CHECK(client.ended.empty());
  client.streams.NetworkChanged([](const IpAddress&) { return false; });
  CHECK(client.ended.size() == 1 && client.ended[0].second == "our address is gone");
}

TEST("a port that is taken, or not for us, is an error that says so") {
  StreamHost server(true);
  Counters counters;
  Streams second(&counters);
  Streams::Options options;
  options.listen = {{kLoopback, server.streams.ports().at(0)}};
  Error error = second.Open(std::move(options));
  CHECK(error.code == "EADDRINUSE" && error.message.find("127.0.0.1") != std::string::npos);
}

TEST("a socket that listens already is used for its address, and goes on to listen when streams are over") {
  BringLoopbackUp();
  Fd inherited(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  CHECK(bind(inherited.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  CHECK(getsockname(inherited.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  Endpoint local{kLoopback, ntohs(address.sin_port)};
  auto open = [&](StreamHost* host) {
    Streams::Options options;
    options.listen = {local};
    // Of no socket, of one that is no stream's, of the right one.
    Fd datagrams(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    options.inherited = {1'000'000, datagrams.get(), inherited.get()};
    return host->streams.Open(std::move(options));
  };
  StreamHost server(false);
  server.streams.Close();
  // It does not listen yet, and its port is taken.
  CHECK(open(&server).code == "EADDRINUSE");
  CHECK(listen(inherited.get(), 8) == 0);
  for (int life = 0; life < 2; life++) {
    CHECK(!open(&server).failed());
    StreamHost client(false);
    Endpoint remote{local.address.swapped_for_stream(), local.port};
    client.streams.Dial(remote, client.now);
    CHECK(client.Send(remote, Bytes(30, 7)));
    server.came.clear();
    CHECK(Until({&server, &client}, [&] { return !server.came.empty(); }));
    server.streams.Close();
    CHECK(ConnectPlain(local.port).valid());
  }
}

TEST("an address that the host does not have yet is listened on: at boot it may come later") {
  for (const char* text : {"192.0.2.77", "2001:db8::77"}) {
    Counters counters;
    Streams streams(&counters);
    Streams::Options options;
    options.listen = {{*IpAddress::Parse(text), 0}};
    CHECK(!streams.Open(std::move(options)).failed());
    CHECK(streams.ports().size() == 1);
  }
}

}  // namespace idloc::test
