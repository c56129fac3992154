#pragma once
// TUN interfaces of the real kernel, in a network namespace of this process.
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "support/source.h"

namespace idloc::test {

// Enters a new, empty namespace that forwards; once per process. Why that cannot be, or nothing.
std::optional<std::string> EnterNamespace();

class KernelTun {
 public:
  // Up, with these addresses ("10.1.0.1/24"). Vnet headers in front of all packets, offloads by default.
  KernelTun(const std::string& name, const std::vector<std::string>& addresses);

  // Without offloads the kernel segments and adds up before it hands over.
  void SetOffloads(bool on);
  // UDP super-packets too (Linux 6.2).
  bool takes_udp() const { return takes_udp_; }

  // Vnet header and packet; false: the kernel refuses it.
  bool Write(const Bytes& data);
  // The next one to `destination` (the last byte of its address), vnet header in front; what the kernel says
  // for itself is passed over. Empty: none within a second.
  Bytes Read(uint8_t destination);

 private:
  Fd fd_;
  bool takes_udp_ = false;
};

// `destination` is a prefix as text.
void RouteTo(const std::string& destination, const std::string& interface_name);

}  // namespace idloc::test
