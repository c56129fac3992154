#pragma once
// Inbound: joins consecutive segments of a flow into one super-packet for the TUN (receive offload in user
// space).
#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "base/counters.h"
#include "net/packet.h"
#include "tun/tun_device.h"
#include "tun/vnet_header.h"

namespace idloc {

class Coalescer {
 public:
  Coalescer(TunDevice* tun, Counters* counters) : tun_(tun), counters_(counters) {}

  // Takes a packet that lies in a receive buffer with kVnetHeaderBytes of room in front of it. The bytes are
  // borrowed until Flush, and changed. Packets of a flow are never reordered.
  void Add(uint8_t* packet, const PacketView& view);

  // Writes everything that is still held: before the receive buffers are used again.
  void Flush();

  // Writes one packet now, past the flows: for packets of our own making, with the same room in front.
  void WriteSingle(uint8_t* packet, size_t length);

 private:
  static constexpr size_t kFlows = 16;
  static constexpr size_t kMaxPieces = 128;

  struct Flow {
    uint8_t* packet;      // the first packet: its headers become those of the super-packet
    size_t header_bytes;  // IP and TCP or UDP
    size_t transport;     // offset of TCP or UDP
    size_t length;        // of the super-packet so far
    size_t segment;       // payload of each packet but the last
    uint32_t next_sequence;
    uint32_t hash;
    bool v6;
    bool udp;
    bool closed;  // ended by a short segment or PSH: nothing may follow in it
    int pieces;
    std::array<iovec, kMaxPieces> vectors;
  };

  static bool SameFlow(const Flow& flow, const uint8_t* packet, uint32_t hash, const PacketView& view);
  static bool CanAppend(const Flow& flow, const uint8_t* packet, size_t header_bytes, size_t payload,
                        bool udp);
  void WriteFlow(Flow& flow);
  void Remove(size_t index);
  void Write(const iovec* vectors, int count, size_t length);

  TunDevice* tun_;      // borrowed: the data plane owns it
  Counters* counters_;  // borrowed: as above
  std::array<Flow, kFlows> flows_;
  // Indexes into flows_: those in use first, oldest first; then the free ones.
  std::array<uint8_t, kFlows> order_{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  size_t used_ = 0;
};

}  // namespace idloc
