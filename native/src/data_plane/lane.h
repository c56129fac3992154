#pragma once
// What one class of traffic passes through: nothing of the bulk lane is ever in front of something in the
// urgent one. Both share the links and the TUN.
#include "base/counters.h"
#include "tun/coalescer.h"
#include "tun/tun_device.h"
#include "udp/transmit_queue.h"
#include "udp/udp_socket.h"

namespace idloc {

struct Lane {
  Lane(TunDevice* tun, Counters* counters) : transmit(&socket, counters), coalescer(tun, counters) {}

  UdpSocket socket;
  TransmitQueue transmit;
  Coalescer coalescer;
  bool watching_blocked = false;
};

}  // namespace idloc
