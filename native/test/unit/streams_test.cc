// Over TCP of this host.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "stream/streams.h"
#include "support/source.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

const IpAddress kLoopback = *IpAddress::Parse("127.0.0.1");

// Other tests may have put this process into a namespace of their own.
void BringLoopbackUp() {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  CHECK(ioctl(fd.get(), SIOCGIFFLAGS, &request) == 0);
  if ((request.ifr_flags & IFF_UP) != 0) return;
  request.ifr_flags |= IFF_UP;
  CHECK(ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0);
}

struct StreamHost {
  Counters counters;
  Streams streams{&counters};
  std::vector<std::pair<Endpoint, Bytes>> came;
  Nanoseconds now = 100 * kSecond;
  bool used = true;

  explicit StreamHost(bool listens) {
    Streams::Options options;
    if (listens) options.listen = {{kLoopback, 0}};
    BringLoopbackUp();
    CHECK(!streams.Open(std::move(options)).failed());
  }
  void Turn() {
    streams.Run(now, [this](const Endpoint& remote, uint8_t* data, size_t length) {
      came.emplace_back(remote, Bytes(data, data + length));
    });
    streams.HandleTimeout(now, [this](const Endpoint&, bool) { return used; });
    streams.Flush();
  }
  bool Send(const Endpoint& remote, const Bytes& datagram, bool urgent = false) {
    uint8_t* room = streams.Room(datagram.size());
    CHECK(room != nullptr);
    std::copy(datagram.begin(), datagram.end(), room);
    bool taken = streams.Queue(remote, datagram.size(), urgent, now);
    streams.Flush();
    return taken;
  }
  uint64_t count(Counter counter) {
    return static_cast<std::atomic<uint64_t>*>(counters.data())[static_cast<size_t>(counter)].load();
  }
  Endpoint listener() const { return {kLoopback.swapped_for_stream(), streams.ports().at(0)}; }
};

// Real time passes, the hosts' clocks stand.
template <typename Done>
bool Until(const std::vector<StreamHost*>& hosts, Done done) {
  for (int i = 0; i < 2000; i++) {
    for (StreamHost* host : hosts) host->Turn();
    if (done()) return true;
    std::vector<pollfd> all;
    for (StreamHost* host : hosts) all.push_back({host->streams.fd(), POLLIN, 0});
    poll(all.data(), all.size(), 1);
  }
  return false;
}

Fd ConnectPlain(uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
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
  CHECK(!client.Send({kLoopback.swapped_for_stream(), 443}, Bytes(10, 1)));
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

TEST("a port that is taken, or not for us, is an error that says so") {
  StreamHost server(true);
  Counters counters;
  Streams second(&counters);
  Streams::Options options;
  options.listen = {{kLoopback, server.streams.ports().at(0)}};
  Error error = second.Open(std::move(options));
  CHECK(error.code == "EADDRINUSE" && error.message.find("127.0.0.1") != std::string::npos);
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
