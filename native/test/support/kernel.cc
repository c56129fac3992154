#include "support/kernel.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "net/netlink.h"
#include "net/packet.h"
#include "support/check.h"
#include "tun/vnet_header.h"

namespace idloc::test {

namespace {

// Linux 6.2
constexpr unsigned kTunUso = 0x20 | 0x40;
constexpr uint32_t kMtu = 4000;

Prefix ParsePrefix(const std::string& text) {
  size_t slash = text.find('/');
  auto address = IpAddress::Parse(text.substr(0, slash));
  CHECK(address.has_value());
  return {*address, std::stoi(text.substr(slash + 1))};
}

void SetSysctl(const char* path, const char* value) {
  Fd fd(open(path, O_WRONLY | O_CLOEXEC));
  CHECK(fd.valid());
  CHECK(write(fd.get(), value, std::strlen(value)) > 0);
}

}  // namespace

std::optional<std::string> EnterNamespace() {
  static std::optional<std::string> why;
  static bool tried = false;
  if (tried) return why;
  tried = true;
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    why = std::string("/dev/net/tun: ") + std::strerror(errno);
  } else if (unshare(CLONE_NEWNET) != 0) {
    why = std::string("no network namespace: ") + std::strerror(errno);
  } else if (access("/proc/sys/net/ipv4/ip_forward", W_OK) != 0) {
    why = "/proc/sys/net cannot be written";
  } else {
    SetSysctl("/proc/sys/net/ipv4/ip_forward", "1");
    SetSysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1");
    SetSysctl("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
    SetSysctl("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
    // Packets of our own addresses come back in.
    SetSysctl("/proc/sys/net/ipv4/conf/all/accept_local", "1");
  }
  return why;
}

KernelTun::KernelTun(const std::string& name, const std::vector<std::string>& addresses)
    : fd_(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
  CHECK(fd_.valid());
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  CHECK(ioctl(fd_.get(), TUNSETIFF, &request) == 0);
  int header = kVnetHeaderBytes;
  int on = 1;
  CHECK(ioctl(fd_.get(), TUNSETVNETHDRSZ, &header) == 0);
  CHECK(ioctl(fd_.get(), TUNSETVNETLE, &on) == 0);
  SetOffloads(true);
  std::vector<Prefix> prefixes;
  for (const std::string& address : addresses) prefixes.push_back(ParsePrefix(address));
  CHECK(!ConfigureInterface(name, {kMtu, 1000, 65'535}, prefixes).failed());
}

void KernelTun::SetOffloads(bool on) {
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (!on) {
    CHECK(ioctl(fd_.get(), TUNSETOFFLOAD, 0) == 0);
    return;
  }
  takes_udp_ = ioctl(fd_.get(), TUNSETOFFLOAD, kTcp | kTunUso) == 0;
  if (!takes_udp_) CHECK(ioctl(fd_.get(), TUNSETOFFLOAD, kTcp) == 0);
}

bool KernelTun::Write(const Bytes& data) {
  return write(fd_.get(), data.data(), data.size()) == static_cast<ssize_t>(data.size());
}

Bytes KernelTun::Read(uint8_t destination) {
  Bytes data(kVnetHeaderBytes + 65'536);
  for (;;) {
    ssize_t length = read(fd_.get(), data.data(), data.size());
    if (length < 0) {
      pollfd wait{fd_.get(), POLLIN, 0};
      if (poll(&wait, 1, 1000) <= 0) return {};
      continue;
    }
    PacketView view;
    if (!ParsePacket(data.data() + kVnetHeaderBytes, static_cast<size_t>(length) - kVnetHeaderBytes, &view))
      continue;
    if (view.destination.bytes[15] != destination || IsUnroutable(view.destination)) continue;
    data.resize(static_cast<size_t>(length));
    return data;
  }
}

void RouteTo(const std::string& destination, const std::string& interface_name) {
  CHECK(!SetRoute({ParsePrefix(destination), interface_name, 10}).failed());
}

}  // namespace idloc::test
