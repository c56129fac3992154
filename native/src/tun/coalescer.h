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

  // Takes a packet in two pieces: its IP header (view.transport_offset bytes), which is copied, and what
  // follows, which lies in a receive buffer and is borrowed until Flush. Packets of a flow are never
  // reordered.
  void Add(const uint8_t* ip_header, const uint8_t* rest, const PacketView& view);

  // Writes everything that is still held: before the receive buffers are used again.
  void Flush();

  // Writes one packet now, past the flows: for packets of our own making.
  void WriteSingle(const uint8_t* packet, size_t length) { WritePieces(packet, length, packet, 0); }

 private:
  static constexpr size_t kFlows = 16;
  static constexpr size_t kMaxPieces = 128;
  static constexpr size_t kMaxTcpHeaderBytes = 60;

  struct Flow {
    // The headers of the super-packet, made from those of the first packet.
    std::array<uint8_t, kVnetHeaderBytes + kIpv6HeaderBytes + kMaxTcpHeaderBytes> head;
    size_t header_bytes;  // IP and TCP or UDP, without vnet
    size_t transport;     // offset of TCP or UDP behind the vnet header
    size_t length;        // of the super-packet so far
    size_t segment;       // payload of each packet but the last
    uint32_t next_sequence;
    uint32_t hash;
    bool v6;
    bool udp;
    bool closed;  // ended by a short segment or PSH: nothing may follow in it
    size_t pieces;
    std::array<iovec, 1 + kMaxPieces> vectors;  // the first one is `head`

    uint8_t* packet() { return head.data() + kVnetHeaderBytes; }
    const uint8_t* packet() const { return head.data() + kVnetHeaderBytes; }
  };

  static bool SameFlow(const Flow& flow, const uint8_t* ip, const uint8_t* transport, uint32_t hash,
                       const PacketView& view);
  static bool CanAppend(const Flow& flow, const uint8_t* ip, const uint8_t* transport, size_t header_bytes,
                        size_t payload);
  void WriteFlow(Flow& flow);
  void WritePieces(const uint8_t* first, size_t first_bytes, const uint8_t* second, size_t second_bytes);
  void Remove(size_t index);
  void Write(const iovec* vectors, size_t count, size_t packets, size_t length);

  TunDevice* tun_;      // borrowed: the data plane owns it
  Counters* counters_;  // borrowed: as above
  std::array<Flow, kFlows> flows_;
  // Indexes into flows_: those in use first, oldest first; then the free ones.
  std::array<uint8_t, kFlows> order_{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  size_t used_ = 0;
};

}  // namespace idloc
