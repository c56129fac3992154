#include "tun/tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "tun/vnet_header.h"

namespace idloc {

namespace {
// Linux 6.2; the headers of Debian 12 lack the names.
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;
}  // namespace

Error TunDevice::Open(const std::string& name, int mtu) {
  if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/% \t\n") != std::string::npos) {
    return {"bad_tun_name",
            "the TUN name '" + name + "' is no interface name; use 1 to 15 letters and digits"};
  }
  Fd fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == EACCES || errno == EPERM) {
      return {"no_privilege", "no permission to open /dev/net/tun; run as root, or without a TUN (--no-tun)"};
    }
    return {"no_tun", std::string("/dev/net/tun cannot be opened: ") + std::strerror(errno) +
                          "; load the module tun (modprobe tun), or run without a TUN (--no-tun)"};
  }
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    if (errno == EPERM || errno == EACCES) {
      return {"no_privilege",
              "a TUN interface needs the capability CAP_NET_ADMIN; run as root, or without a TUN (--no-tun)"};
    }
    if (errno == EBUSY || errno == EINVAL) {
      return {"tun_busy",
              "an interface named " + name +
                  " exists already; stop the program that has it, or choose another name (--tun)"};
    }
    return {"no_tun", "cannot make the TUN interface " + name + ": " + std::strerror(errno) +
                          "; run without a TUN (--no-tun)"};
  }
  int header = kVnetHeaderBytes;
  int little_endian = 1;
  ioctl(fd.get(), TUNSETVNETHDRSZ, &header);
  ioctl(fd.get(), TUNSETVNETLE, &little_endian);
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  can_coalesce_udp_ = ioctl(fd.get(), TUNSETOFFLOAD, kTcp | kTunUso4 | kTunUso6) == 0;
  // Without segmentation offloads every packet comes alone: slower, never wrong.
  if (!can_coalesce_udp_) ioctl(fd.get(), TUNSETOFFLOAD, kTcp);

  Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq size{};
  std::memcpy(size.ifr_name, request.ifr_name, IFNAMSIZ);
  size.ifr_mtu = mtu;
  if (ioctl(control.get(), SIOCSIFMTU, &size) != 0) {
    return {"bad_mtu", "the TUN interface " + name + " does not take an MTU of " + std::to_string(mtu) +
                           ": " + std::strerror(errno) + "; use 1280 to 1400"};
  }
  interface_index_ = static_cast<int>(if_nametoindex(request.ifr_name));
  fd_ = std::move(fd);
  return {};
}

}  // namespace idloc
