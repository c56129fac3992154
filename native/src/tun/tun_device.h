#pragma once
// The TUN interface: packets of the programs on this host.
#include <sys/uio.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace idloc {

class TunDevice {
 public:
  // Makes the interface; it goes away when this object does. `mtu` in bytes.
  Error Open(const std::string& name, int mtu);

  int fd() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  int interface_index() const { return interface_index_; }
  // Several UDP datagrams of a flow may be written as one (Linux 6.2).
  bool can_coalesce_udp() const { return can_coalesce_udp_; }

  // One vnet header and packet (up to 64 KiB of payload); bytes read, or -1.
  ssize_t Read(uint8_t* buffer, size_t capacity) { return read(fd(), buffer, capacity); }
  ssize_t Write(const iovec* vectors, int count) { return writev(fd(), vectors, count); }

 private:
  Fd fd_;
  int interface_index_ = 0;
  bool can_coalesce_udp_ = false;
};

}  // namespace idloc
