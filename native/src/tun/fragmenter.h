#pragma once
// Outbound: fragments of a packet that is too large for its path, as its source would make them (RFC 8200
// s4.5, RFC 791 s3.2). The source is this host, and the kernel at the other end reassembles: nobody in
// between sees them. Fragments come as links carry packets, compressed (net/compressed_header.h).
#include <cstddef>
#include <cstdint>

namespace idloc {

class Fragmenter {
 public:
  // Borrows `packet`, which ParsePacket has taken and whose checksums are complete; it may be a fragment
  // itself. `limit`: bytes of a fragment as written. `identification` is used when the packet has none of its
  // own. False: malformed, or no room for anything.
  bool Init(const uint8_t* packet, size_t length, size_t limit, uint32_t identification);

  size_t fragments() const { return fragments_; }
  size_t FragmentLength(size_t index) const;
  void WriteFragment(size_t index, uint8_t* out) const;

 private:
  const uint8_t* packet_ = nullptr;
  size_t head_bytes_ =
      0;                // repeated in each fragment: IPv4 header, or IPv6 header with what must stay in front
  size_t body_ = 0;     // where the fragmented part starts
  size_t payload_ = 0;  // bytes of it
  size_t piece_ = 0;    // bytes of it in each fragment but the last
  size_t overhead_ = 0;  // of a fragment as written, without its piece
  size_t fragments_ = 0;
  size_t next_field_ = 0;  // IPv6: where the type of what follows the head stands
  uint8_t next_ = 0;       // IPv6: type of the fragmented part
  bool v6_ = false;
  bool more_ = false;  // the packet is a fragment, and not the last
  size_t offset_ = 0;  // of the packet, when it is a fragment
  uint32_t identification_ = 0;
};

}  // namespace idloc
