#include "support/devices.h"

#include <sys/uio.h>
#include <unistd.h>

#include <utility>

#include "support/check.h"
#include "tun/tun_device.h"

namespace idloc::test {

std::vector<SentGroup> udp_sent;
size_t udp_room = SIZE_MAX;
std::set<int> udp_full;
std::vector<Bytes> tun_written;

void ResetDevices() {
  udp_sent.clear();
  udp_room = SIZE_MAX;
  udp_full.clear();
  tun_written.clear();
}

std::vector<Bytes> Datagrams(const SentGroup& group) {
  std::vector<Bytes> out;
  for (size_t at = 0; at < group.data.size(); at += group.segment) {
    size_t end = std::min(group.data.size(), at + group.segment);
    out.emplace_back(group.data.begin() + static_cast<ptrdiff_t>(at),
                     group.data.begin() + static_cast<ptrdiff_t>(end));
  }
  return out;
}

std::vector<Bytes> TakeSent() {
  std::vector<Bytes> out;
  for (const SentGroup& group : std::exchange(udp_sent, {})) {
    for (Bytes& datagram : Datagrams(group)) out.push_back(std::move(datagram));
  }
  return out;
}

}  // namespace idloc::test

namespace idloc {

Error UdpSocket::Open(uint16_t port, Counters* counters) {
  port_ = port == 0 ? 6084 : port;
  counters_ = counters;
  return {};
}

Error UdpSocket::OpenOn(int device, UdpSocket* first, Counters* counters) {
  device_ = device;
  return Open(first->port(), counters);
}

Error UdpSocket::OpenUrgent(UdpSocket* first, Counters* counters) {
  return OpenOn(first->device_, first, counters);
}

void UdpSocket::TurnAway() {}

void UdpSocket::SetReceiveDepth(size_t) {}

size_t UdpSocket::Receive(Received*, Buffers*) { return 0; }

SendResult UdpSocket::Send(const Path& path, const uint8_t* data, size_t length, size_t segment,
                           uint8_t traffic_class) {
  if (test::udp_room == 0 || test::udp_full.count(device_) > 0) return SendResult::kBlocked;
  test::udp_room--;
  test::udp_sent.push_back({port_, device_, path, test::Bytes(data, data + length), segment, traffic_class});
  return SendResult::kSent;
}

Error TunDevice::Open(const std::string&, int) {
  // Something valid that nobody reads: what is written goes to __wrap_writev.
  fd_ = Fd(dup(STDERR_FILENO));
  interface_index_ = 1;
  can_coalesce_udp_ = true;
  return {};
}

}  // namespace idloc

// The linker sends every writev of the code under test here (--wrap=writev).
extern "C" ssize_t __wrap_writev(int, const iovec* vectors, int count) {
  // UIO_MAXIOV
  CHECK(count > 0 && count <= 1024);
  idloc::test::Bytes all;
  for (int i = 0; i < count; i++) {
    auto* bytes = static_cast<const uint8_t*>(vectors[i].iov_base);
    all.insert(all.end(), bytes, bytes + vectors[i].iov_len);
  }
  // What a TUN takes: a vnet header and at most 65,535 bytes.
  CHECK(all.size() > 10 && all.size() <= 10 + 65'535);
  idloc::test::tun_written.push_back(all);
  return static_cast<ssize_t>(all.size());
}
