#include "systemd/notification.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/fd.h"

namespace idloc {

int SendNotification(const std::string& socket, const std::string& text) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (socket.size() < 2 || (socket[0] != '/' && socket[0] != '@')) return EAFNOSUPPORT;
  // A path ends with a zero byte, an abstract name (unix(7)) with the length.
  bool abstract = socket[0] == '@';
  if (socket.size() + (abstract ? 0 : 1) > sizeof name.sun_path) return ENAMETOOLONG;
  std::memcpy(name.sun_path, socket.data(), socket.size());
  if (abstract) name.sun_path[0] = 0;
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size() + (abstract ? 0 : 1));

  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno;
  for (;;) {
    ssize_t sent = sendto(fd.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                          reinterpret_cast<sockaddr*>(&name), length);
    if (sent >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace idloc
