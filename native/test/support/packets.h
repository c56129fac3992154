#pragma once
// Inner packets as tests make them and look at them. Nothing here uses the code under test: checksums are
// added up two bytes at a time, segments are made by the rules of RFC 9293 and of Linux' tcp_gso_segment,
// word by word.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/source.h"

namespace idloc::test {

// RFC 1071, as it stands there; the value that goes into the field.
uint16_t NaiveChecksum(const Bytes& data);

struct FlowSpec {
  bool v6 = true;
  bool udp = false;
  uint8_t source = 1;       // last byte of its address
  uint8_t destination = 2;  // as above
  uint16_t source_port = 1000;
  uint16_t destination_port = 2000;
  uint8_t traffic_class = 0;
  uint8_t hop_limit = 64;
  uint16_t id = 0;  // IPv4
  bool dont_fragment = true;
  uint32_t sequence = 0;  // TCP, as all below
  uint32_t acknowledgement = 0;
  uint8_t flags = 0x10;
  uint16_t window = 1024;
  Bytes ip_options;          // IPv4 options, or whole IPv6 extension headers (the first byte is overwritten)
  Bytes tcp_options;         // a multiple of 4, at most 40
  bool no_checksum = false;  // UDP over IPv4: the field is zero (RFC 768)
};

// A packet that a kernel would send: lengths and checksums right.
Bytes MakePacket(const FlowSpec& flow, const Bytes& payload);
// The same before the network card: NEEDS_CSUM, the field holds the sum of the pseudo-header. With the vnet
// header in front. `gso_size` 0: not a super-packet.
Bytes MakeSuperPacket(const FlowSpec& flow, const Bytes& payload, uint16_t gso_size);

// Lengths and checksums of a TCP or UDP packet without IP options made right.
Bytes Completed(Bytes packet);

FlowSpec RandomFlow(Source& source);

// What a network card would send for vnet header and packet as they are written to a TUN. Checks that the
// header is one that Linux takes.
std::vector<Bytes> NaiveSegments(const Bytes& vnet_and_packet);

// A packet as a link carries it, made whole: the addresses left out are those of `original`, which it was
// made from.
Bytes NaiveExpand(const Bytes& data, const Bytes& original);

// Lengths and checksums as a receiver verifies them; for TCP, UDP and ICMPv6 without options.
bool IsIntact(const Bytes& packet);

// Two packets are the same but for the IPv4 identification and the header checksum that follows from it: the
// identification of packets that are not fragments says nothing (RFC 6864 s4.1).
bool SameButId(Bytes a, Bytes b);

std::string Hex(const Bytes& data);

}  // namespace idloc::test
