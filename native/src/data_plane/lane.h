#pragma once
// What one class of traffic passes through: nothing of the bulk lane is ever in front of something in the
// urgent one. Both share the links and the TUN.
#include "base/counters.h"
#include "tun/coalescer.h"
#include "tun/tun_device.h"
#include "udp/lane_sockets.h"
#include "udp/transmit_queue.h"

namespace idloc {

struct Lane {
  Lane(TunDevice* tun, Counters* counters)
      : sockets(counters), transmit(&sockets, counters), coalescer(tun, counters) {}

  LaneSockets sockets;
  TransmitQueue transmit;
  Coalescer coalescer;
};

}  // namespace idloc
