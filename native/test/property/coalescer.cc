#include "tun/coalescer.h"

#include <cstring>
#include <map>
#include <memory>

#include "property/properties.h"
#include "support/check.h"
#include "support/devices.h"
#include "support/packets.h"

namespace idloc::test {

namespace {

// Whose order must be kept: addresses and protocol; ports where the packet has them in sight.
Bytes FlowKey(const Bytes& packet) {
  PacketView view;
  CHECK(ParsePacket(packet.data(), packet.size(), &view));
  Bytes key(view.source.bytes.begin(), view.source.bytes.end());
  key.insert(key.end(), view.destination.bytes.begin(), view.destination.bytes.end());
  key.push_back(view.protocol);
  if (!view.plain || (view.protocol != kProtocolTcp && view.protocol != kProtocolUdp)) return key;
  size_t least = view.transport_offset + (view.protocol == kProtocolTcp ? kTcpHeaderBytes : kUdpHeaderBytes);
  if (view.length < least) return key;
  auto ports = packet.begin() + static_cast<ptrdiff_t>(view.transport_offset);
  key.insert(key.end(), ports, ports + 4);
  return key;
}

using Flows = std::map<Bytes, std::vector<Bytes>>;

// A TUN and the coalescer before it. Packets live in memory of exactly their size.
class Tun {
 public:
  Tun() : coalescer_(&device_, &counters_) {
    ResetDevices();
    CHECK(!device_.Open("tun", 1400).failed());
  }

  void Add(const Bytes& packet) {
    PacketView view;
    if (!ParsePacket(packet.data(), packet.size(), &view)) return;
    given_[FlowKey(packet)].emplace_back(packet.begin(),
                                         packet.begin() + static_cast<ptrdiff_t>(view.length));
    // The header is gone after the call; what follows it stays until Flush.
    size_t header_bytes = view.transport_offset;
    auto header = std::make_unique<uint8_t[]>(header_bytes);
    std::memcpy(header.get(), packet.data(), header_bytes);
    auto& rest = buffers_.emplace_back(std::make_unique<uint8_t[]>(view.length - header_bytes));
    std::memcpy(rest.get(), packet.data() + header_bytes, view.length - header_bytes);
    coalescer_.Add(header.get(), rest.get(), view);
  }

  // The receive buffers are used again after this.
  void Flush() {
    coalescer_.Flush();
    buffers_.clear();
  }

  void Judge() {
    Flush();
    Flows written;
    for (const Bytes& one : tun_written) {
      for (Bytes& packet : NaiveSegments(one)) {
        Bytes key = FlowKey(packet);
        written[std::move(key)].push_back(std::move(packet));
      }
    }
    CHECK(written.size() == given_.size());
    for (const auto& [key, packets] : given_) {
      const std::vector<Bytes>& came = written[key];
      CHECK(came.size() == packets.size());
      for (size_t i = 0; i < packets.size(); i++) CHECK(SameButId(came[i], packets[i]));
    }
  }

 private:
  TunDevice device_;
  Counters counters_;
  Coalescer coalescer_;
  std::vector<std::unique_ptr<uint8_t[]>> buffers_;
  Flows given_;
};

}  // namespace

void JoinsWithoutLoss(Source& source) {
  Tun tun;
  std::vector<FlowSpec> flows(source.Between(1, 20));
  for (FlowSpec& flow : flows) flow = RandomFlow(source);
  size_t rounds = source.Between(1, 200);
  size_t size = source.Between(1, 1400);
  for (size_t round = 0; round < rounds; round++) {
    FlowSpec& flow = flows[source.Below(flows.size())];
    uint8_t what = source.Byte();
    // Mostly the next segment of its flow; sometimes something that must not be joined to it.
    size_t length = size;
    FlowSpec one = flow;
    switch (what % 32) {
      case 0:
        length = source.Below(1400);
        break;
      case 1:
        one.flags = source.Byte();
        break;
      case 2:
        one.window++;
        break;
      case 3:
        one.sequence += static_cast<uint32_t>(source.Below(3000));
        break;
      case 4:
        one.traffic_class ^= 0x10;
        break;
      case 5:
        one.hop_limit++;
        break;
      case 6:
        one.tcp_options.assign(4 * source.Below(11), 1);
        break;
      case 7:
        one.acknowledgement++;
        break;
      case 8:
        one.ip_options.assign(8, 0);
        break;
      case 9:
        one.no_checksum = true;
        break;
      case 10:
        tun.Flush();
        break;
      case 11:
        one.flags |= 0x08;
        break;
      case 12:
        one.dont_fragment = !one.dont_fragment;
        break;
      case 13:
        length = 0;
        break;
      default:
        break;
    }
    Bytes packet = MakePacket(one, Bytes(length, static_cast<uint8_t>(round)));
    if (what % 32 == 14 && !one.v6) {
      // A fragment.
      packet[6] |= 0x20;
      Bytes header(packet.begin(), packet.begin() + 20);
      header[10] = header[11] = 0;
      uint16_t checksum = NaiveChecksum(header);
      packet[10] = static_cast<uint8_t>(checksum >> 8);
      packet[11] = static_cast<uint8_t>(checksum);
    }
    tun.Add(packet);
    flow.sequence = one.sequence + static_cast<uint32_t>(length);
    flow.id++;
  }
  tun.Judge();
}

void SegmentThenJoin(Source& source) {
  FlowSpec flow = RandomFlow(source);
  flow.no_checksum = false;
  // Joined are plain data segments; of the flags only PSH may differ.
  flow.flags = source.OneIn(2) ? 0x10 : 0x18;
  size_t gso_size = source.Between(200, 1400);
  Bytes payload(source.Between(2, std::min<size_t>(65'000, 64 * gso_size)));
  for (size_t i = 0; i < payload.size(); i++) payload[i] = static_cast<uint8_t>(i * 11 + (i >> 8));
  Bytes super = MakeSuperPacket(flow, payload, static_cast<uint16_t>(gso_size));
  Tun tun;
  for (const Bytes& packet : NaiveSegments(super)) tun.Add(packet);
  tun.Flush();
  CHECK(tun_written.size() == 1);
  if (payload.size() > gso_size) {
    // The last piece that was short of nothing is joined too: the very bytes of the super-packet.
    Bytes joined = tun_written.front();
    CHECK(SameButId(Bytes(joined.begin() + kVnetHeaderBytes, joined.end()),
                    Bytes(super.begin() + kVnetHeaderBytes, super.end())));
    CHECK(std::memcmp(joined.data(), super.data(), kVnetHeaderBytes) == 0);
  }
  tun.Judge();
}

}  // namespace idloc::test
