#pragma once
// Outbound: splits what the TUN handed over into packets as links carry them: checksums complete, inner
// addresses left out (net/compressed_header.h). TCP is split smaller than the kernel asked for when the path
// is narrower than the kernel knows; what else is too large is the Fragmenter's.
#include <cstddef>
#include <cstdint>

#include "tun/vnet_header.h"

namespace idloc {

// A super-packet taken apart: Init checks and measures it, WritePacket makes one packet of it.
class Segmenter {
 public:
  enum class Form { kCompressed, kWhole };

  // Borrows `packet`, which ParsePacket has taken, as long as this object is used, and completes its
  // checksum. `limit`: bytes of a packet as written. False: the headers contradict each other, drop it.
  bool Init(const VnetHeader& header, uint8_t* packet, size_t length, Form form = Form::kCompressed,
            size_t limit = SIZE_MAX);

  size_t packets() const { return packets_; }
  // As written.
  size_t PacketLength(size_t index) const;
  // The largest packet that the kernel wanted to send, with its whole IP header.
  size_t largest() const { return largest_; }
  // Writes packet `index` (PacketLength bytes).
  void WritePacket(size_t index, uint8_t* out) const;

 private:
  bool InitSuperPacket(const VnetHeader& header);
  // A TCP packet that is no super-packet, but may be treated as one.
  bool IsDivisible() const;

  const uint8_t* packet_ = nullptr;
  size_t length_ = 0;
  size_t packets_ = 1;
  size_t largest_ = 0;
  size_t ip_bytes_ = 0;         // of the IP header, IPv6 without extension headers
  size_t replaced_ = 0;         // bytes of the IP header that the compressed one stands for; 0: sent whole
  size_t compressed_ = 0;       // bytes of the compressed header
  size_t header_bytes_ = 0;     // of IP and TCP or UDP, repeated in each packet
  size_t transport_ = 0;        // where TCP or UDP starts
  size_t payload_ = 0;          // of the super-packet
  size_t segment_ = 0;          // payload of each packet but the last
  uint64_t pseudo_header_ = 0;  // sum of addresses and protocol
  bool v6_ = false;
  bool udp_ = false;
};

}  // namespace idloc
