#pragma once
// Streams of one host over TCP of this machine; real time passes, the hosts' clocks stand.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "stream/streams.h"
#include "support/check.h"
#include "support/source.h"

namespace idloc::test {

inline const IpAddress kLoopback = *IpAddress::Parse("127.0.0.1");

// Other tests may have put this process into a namespace of their own.
inline void BringLoopbackUp() {
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
  Path by;                                              // of the last one
  std::vector<std::pair<uint32_t, std::string>> ended;  // streams to TURN servers
  Nanoseconds now = 100 * kSecond;
  bool used = true;
  std::vector<Path> left;  // TURN clients

  explicit StreamHost(bool listens, bool serves_turn = false) {
    Streams::Options options;
    if (listens) options.listen = {{kLoopback, 0}};
    options.serves_turn = serves_turn;
    options.turn_left = [this](const Path& client) { left.push_back(client); };
    options.turn_ended = [this](uint32_t id, std::string reason) {
      ended.emplace_back(id, std::move(reason));
    };
    BringLoopbackUp();
    CHECK(!streams.Open(std::move(options)).failed());
  }
  void Turn() {
    streams.Run(now, [this](const Path& path, Framing, uint8_t* data, size_t length) {
      came.emplace_back(path.remote, Bytes(data, data + length));
      by = path;
    });
    streams.HandleTimeout(now, [this](const Path&, bool) { return used; });
    streams.Flush();
  }
  bool Send(const Endpoint& remote, const Bytes& datagram, bool urgent = false) {
    return Send(Path{kStreamLocal, remote}, datagram, urgent);
  }
  bool Send(const Path& path, const Bytes& datagram, bool urgent = false) {
    uint8_t* room = streams.Room(datagram.size());
    CHECK(room != nullptr);
    std::copy(datagram.begin(), datagram.end(), room);
    bool taken = streams.Queue(path, datagram.size(), urgent, now);
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

inline Fd ConnectPlain(uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

inline Bytes ReadSome(const Fd& fd) {
  Bytes out(4096);
  ssize_t length = recv(fd.get(), out.data(), out.size(), 0);
  out.resize(length > 0 ? static_cast<size_t>(length) : 0);
  return out;
}

inline const Bytes kInChannel{0x40, 1, 0, 5, 1, 2, 3, 4, 5};
inline const Bytes kInChannelPadded{0x40, 1, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0};

}  // namespace idloc::test
