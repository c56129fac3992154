#pragma once
// Collects records into buffers that one sendmsg with UDP_SEGMENT takes: same path, same traffic class, same
// length, only the last shorter.
#include <array>
#include <cstdint>
#include <memory>

#include "udp/udp_socket.h"

namespace idloc {

class TransmitQueue {
 public:
  TransmitQueue(UdpSocket* socket, Counters* counters)
      : socket_(socket), counters_(counters), buffer_(std::make_unique<uint8_t[]>(kGroups * kGroupBytes)) {}

  // Room for one datagram of exactly `length` bytes, borrowed until the next call; it counts as queued.
  // nullptr: the socket is blocked and the queue full; the caller counts the drop.
  // `traffic_class`: DSCP and ECN of the datagram.
  uint8_t* Append(const Path& path, size_t length, uint8_t traffic_class = 0);

  // Sends what is queued, in order. Stops when the socket blocks.
  void Flush();

  // True: the socket took no more; wait until it is writable before reading more packets.
  bool blocked() const { return blocked_; }

 private:
  struct Group {
    Path path;
    size_t segment = 0;
    size_t length = 0;
    size_t count = 0;
    bool closed = false;
    uint8_t traffic_class = 0;
  };
  // A super-packet fills at most three groups; the others hold what inbound work answers meanwhile.
  static constexpr size_t kGroups = 8;
  static constexpr size_t kGroupBytes = 65'536;

  uint8_t* GroupBuffer(size_t index) { return &buffer_[(index % kGroups) * kGroupBytes]; }

  UdpSocket* socket_;   // borrowed: the data plane owns both
  Counters* counters_;  // borrowed: as above
  std::unique_ptr<uint8_t[]> buffer_;
  std::array<Group, kGroups> groups_{};
  size_t first_ = 0;  // oldest group not yet sent
  size_t next_ = 0;   // one after the newest; the newest may still grow
  bool blocked_ = false;
};

}  // namespace idloc
