#include "tun/coalescer.h"

#include <cstring>

#include "base/bytes.h"
#include "net/checksum.h"

namespace idloc {

namespace {

constexpr uint8_t kTcpAck = 0x10;
constexpr uint8_t kTcpPush = 0x08;
constexpr size_t kMaxSuperPacket = 65'535;

uint32_t FlowHash(const PacketView& view, const uint8_t* ports) {
  uint64_t a;
  uint64_t b;
  uint32_t p;
  std::memcpy(&a, &view.source.bytes[8], 8);
  std::memcpy(&b, &view.destination.bytes[8], 8);
  std::memcpy(&p, ports, 4);
  uint64_t mixed = (a ^ (b << 1) ^ p) * 0x9e3779b97f4a7c15;
  return static_cast<uint32_t>(mixed >> 32) ^ view.protocol;
}

}  // namespace

bool Coalescer::SameFlow(const Flow& flow, const uint8_t* ip, const uint8_t* transport, uint32_t hash,
                         const PacketView& view) {
  if (flow.hash != hash || flow.v6 != view.v6 || flow.udp != (view.protocol == kProtocolUdp)) return false;
  size_t addresses = view.v6 ? 8 : 12;
  size_t bytes = view.v6 ? 32 : 8;
  return std::memcmp(flow.packet() + addresses, ip + addresses, bytes) == 0 &&
         std::memcmp(flow.packet() + flow.transport, transport, 4) == 0;
}

bool Coalescer::CanAppend(const Flow& flow, const uint8_t* ip, const uint8_t* transport, size_t header_bytes,
                          size_t payload) {
  if (flow.closed || payload == 0 || payload > flow.segment || header_bytes != flow.header_bytes)
    return false;
  if (flow.length + payload > kMaxSuperPacket || flow.pieces == kMaxPieces) return false;
  const uint8_t* first = flow.packet();
  // Everything the joined headers say once must be the same: traffic class, flow label, hop limit, fragment
  // flags.
  if (flow.v6) {
    if (std::memcmp(first, ip, 4) != 0 || first[7] != ip[7]) return false;
  } else if (first[1] != ip[1] || first[8] != ip[8] || ((first[6] ^ ip[6]) & 0xe0) != 0) {
    return false;
  }
  if (flow.udp) return true;
  const uint8_t* a = first + flow.transport;
  const uint8_t* b = transport;
  if (LoadBe32(b + 4) != flow.next_sequence) return false;
  // Acknowledgement number; header length and flags but PSH; window; options.
  return std::memcmp(a + 8, b + 8, 5) == 0 && ((a[13] ^ b[13]) & ~kTcpPush) == 0 &&
         std::memcmp(a + 14, b + 14, 2) == 0 &&
         std::memcmp(a + 20, b + 20, header_bytes - flow.transport - 20) == 0;
}

void Coalescer::Add(const uint8_t* ip, const uint8_t* rest, const PacketView& view) {
  bool udp = view.protocol == kProtocolUdp;
  size_t least = view.transport_offset + (udp ? kUdpHeaderBytes : kTcpHeaderBytes);
  if (!view.plain || (!udp && view.protocol != kProtocolTcp) || view.length < least) {
    // It may belong to a held flow in a way that is not visible here (a fragment): nothing may overtake it.
    if (!view.plain) Flush();
    WritePieces(ip, view.transport_offset, rest, view.length - view.transport_offset);
    return;
  }
  size_t header_bytes = udp ? least : view.transport_offset + (rest[12] >> 4) * size_t{4};
  bool joinable = header_bytes >= least && header_bytes < view.length;
  if (udp) {
    // A UDP checksum of zero (RFC 768) would come out of the joined packet as a real one.
    joinable = joinable && tun_->can_coalesce_udp() && LoadBe16(rest + 6) != 0 &&
               LoadBe16(rest + 4) == view.length - view.transport_offset;
  } else {
    joinable = joinable && (rest[13] & ~kTcpPush) == kTcpAck;
  }
  size_t payload = joinable ? view.length - header_bytes : 0;
  const uint8_t* body = rest + (header_bytes - view.transport_offset);

  uint32_t hash = FlowHash(view, rest);
  for (size_t i = 0; i < used_; i++) {
    Flow& flow = flows_[order_[i]];
    if (!SameFlow(flow, ip, rest, hash, view)) continue;
    if (joinable && CanAppend(flow, ip, rest, header_bytes, payload)) {
      flow.vectors[1 + flow.pieces++] = {const_cast<uint8_t*>(body), payload};
      flow.length += payload;
      flow.next_sequence += static_cast<uint32_t>(payload);
      if (!udp && (rest[13] & kTcpPush) != 0) {
        flow.packet()[flow.transport + 13] |= kTcpPush;
        flow.closed = true;
      }
      if (payload < flow.segment) flow.closed = true;
      return;
    }
    // Written first, or this packet would overtake it.
    WriteFlow(flow);
    Remove(i);
    break;
  }
  if (!joinable) {
    WritePieces(ip, view.transport_offset, rest, view.length - view.transport_offset);
    return;
  }
  if (used_ == kFlows) {
    WriteFlow(flows_[order_[0]]);
    Remove(0);
  }
  // Slots are a permutation: order_[used_..] names the free ones.
  Flow& flow = flows_[order_[used_++]];
  std::memcpy(flow.packet(), ip, view.transport_offset);
  std::memcpy(flow.packet() + view.transport_offset, rest, header_bytes - view.transport_offset);
  flow.header_bytes = header_bytes;
  flow.transport = view.transport_offset;
  flow.length = view.length;
  flow.segment = payload;
  flow.next_sequence = udp ? 0 : LoadBe32(rest + 4) + static_cast<uint32_t>(payload);
  flow.hash = hash;
  flow.v6 = view.v6;
  flow.udp = udp;
  flow.closed = !udp && (rest[13] & kTcpPush) != 0;
  flow.pieces = 1;
  flow.vectors[0] = {flow.head.data(), kVnetHeaderBytes + header_bytes};
  flow.vectors[1] = {const_cast<uint8_t*>(body), payload};
}

void Coalescer::Remove(size_t index) {
  uint8_t freed = order_[index];
  for (size_t i = index; i + 1 < used_; i++) order_[i] = order_[i + 1];
  order_[--used_] = freed;
}

void Coalescer::Flush() {
  for (size_t i = 0; i < used_; i++) WriteFlow(flows_[order_[i]]);
  used_ = 0;
}

void Coalescer::WriteFlow(Flow& flow) {
  VnetHeader header{};
  if (flow.pieces > 1) {
    uint8_t* packet = flow.packet();
    uint8_t* transport = packet + flow.transport;
    size_t transport_length = flow.length - flow.transport;
    if (flow.v6) {
      StoreBe16(packet + 4, static_cast<uint16_t>(flow.length - kIpv6HeaderBytes));
    } else {
      StoreBe16(packet + 2, static_cast<uint16_t>(flow.length));
      StoreBe16(packet + 10, 0);
      StoreSum(packet + 10, static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(0, packet, flow.transport))));
    }
    if (flow.udp) StoreBe16(transport + 4, static_cast<uint16_t>(transport_length));
    uint8_t protocol = flow.udp ? kProtocolUdp : kProtocolTcp;
    uint64_t sum = flow.v6
                       ? PseudoHeaderSum(packet + 8, 32, protocol, static_cast<uint32_t>(transport_length))
                       : PseudoHeaderSum(packet + 12, 8, protocol, static_cast<uint32_t>(transport_length));
    header.flags = kVnetNeedsChecksum;
    header.gso_type = flow.udp ? kGsoUdp : flow.v6 ? kGsoTcpV6 : kGsoTcpV4;
    header.header_length = static_cast<uint16_t>(flow.header_bytes);
    header.gso_size = static_cast<uint16_t>(flow.segment);
    header.checksum_start = static_cast<uint16_t>(flow.transport);
    header.checksum_offset = flow.udp ? 6 : 16;
    StoreSum(transport + header.checksum_offset, ChecksumFold(sum));
  }
  std::memcpy(flow.head.data(), &header, sizeof header);
  Write(flow.vectors.data(), 1 + flow.pieces, flow.pieces, flow.length);
}

void Coalescer::WritePieces(const uint8_t* first, size_t first_bytes, const uint8_t* second,
                            size_t second_bytes) {
  VnetHeader header{};
  iovec vectors[] = {{&header, sizeof header},
                     {const_cast<uint8_t*>(first), first_bytes},
                     {const_cast<uint8_t*>(second), second_bytes}};
  Write(vectors, 3, 1, first_bytes + second_bytes);
}

void Coalescer::Write(const iovec* vectors, size_t count, size_t packets, size_t length) {
  if (tun_->Write(vectors, static_cast<int>(count)) < 0) {
    counters_->Add(Counter::dropTunWrite, packets);
    return;
  }
  counters_->Add(Counter::tunWrites);
  counters_->Add(Counter::tunWrittenBytes, length);
}

}  // namespace idloc
