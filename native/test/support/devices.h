#pragma once
// The two doors of the data plane to the kernel, in memory. `devices.cc` defines the members of UdpSocket and
// TunDevice that src/udp/udp_socket.cc and src/tun/tun_device.cc define otherwise; those files are left out
// of the test build.
#include <deque>
#include <set>
#include <vector>

#include "net/address.h"
#include "support/source.h"
#include "udp/udp_socket.h"

namespace idloc::test {

struct SentGroup {
  uint16_t from;  // port of the socket
  int device;     // that the socket is bound to; 0: none
  Path path;
  Bytes data;
  size_t segment;
  uint8_t traffic_class;
};

// What was sent since somebody took it; one entry a sendmsg.
extern std::vector<SentGroup> udp_sent;
// How many more sends succeed before the socket blocks.
extern size_t udp_room;
// Devices whose sockets take nothing.
extern std::set<int> udp_full;
// What was written to the TUN: vnet header and packet.
extern std::vector<Bytes> tun_written;

// Everything as at the start.
void ResetDevices();

// Each datagram of a group by itself.
std::vector<Bytes> Datagrams(const SentGroup& group);

// All of `udp_sent`, each by itself; nothing is left.
std::vector<Bytes> TakeSent();

}  // namespace idloc::test
