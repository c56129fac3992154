#include "net/bound_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "net/sockaddr.h"

namespace idloc {

namespace {

Error Failed(const std::string& what) {
  int number = errno;
  const char* name = strerrorname_np(number);
  return {name == nullptr ? "EUNKNOWN" : name, what + ": " + std::strerror(number)};
}

bool Set(const Fd& fd, int level, int option, int value) {
  return setsockopt(fd.get(), level, option, &value, sizeof value) == 0;
}

}  // namespace

Error BindSocket(Transport transport, const Endpoint& local, const std::string& interface_name, Fd* out) {
  int family = local.address.is_v4() ? AF_INET : AF_INET6;
  int type = (transport == Transport::kUdp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  Fd fd(socket(family, type, 0));
  if (!fd.valid()) return Failed("socket");
  // Before bind: the same port at another interface is no conflict. Without privilege since Linux 5.7.
  const char* name = interface_name.c_str();
  if (setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, name,
                 static_cast<socklen_t>(interface_name.size())) != 0)
    return Failed("bind to interface " + interface_name);
  if (family == AF_INET6 && !Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return Failed("IPV6_V6ONLY");
  // Connections of a former life that linger are no reason to wait for a minute.
  if (transport == Transport::kTcp && !Set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) return Failed("SO_REUSEADDR");
  sockaddr_storage address;
  socklen_t length = ToSockaddr(local, &address);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return Failed("bind");
  *out = std::move(fd);
  return {};
}

std::optional<Endpoint> ListensAt(int fd) {
  sockaddr_storage address;
  socklen_t length = sizeof address;
  int listens = 0;
  socklen_t size = sizeof listens;
  bool does = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0 &&
              getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
              (address.ss_family == AF_INET || address.ss_family == AF_INET6);
  if (!does) return std::nullopt;
  return FromSockaddr(address);
}

}  // namespace idloc
