#include "support/packets.h"

#include <cstring>

#include "support/check.h"

namespace idloc::test {

namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIcmpV6 = 58;
constexpr uint8_t kDestinationOptions = 60;

void Put16(Bytes& out, size_t at, size_t value) {
  out[at] = static_cast<uint8_t>(value >> 8);
  out[at + 1] = static_cast<uint8_t>(value);
}
void Put32(Bytes& out, size_t at, uint32_t value) {
  Put16(out, at, value >> 16);
  Put16(out, at + 2, value & 0xffff);
}
size_t Get16(const Bytes& data, size_t at) { return size_t{data.at(at)} << 8 | data.at(at + 1); }
uint32_t Get32(const Bytes& data, size_t at) {
  return static_cast<uint32_t>(Get16(data, at) << 16 | Get16(data, at + 2));
}

uint16_t Sum(const Bytes& data) {
  uint32_t sum = 0;
  for (size_t i = 0; i < data.size(); i += 2) {
    sum += static_cast<uint32_t>(data[i] << 8);
    if (i + 1 < data.size()) sum += data[i + 1];
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return static_cast<uint16_t>(sum);
}

// RFC 9293 s3.1, RFC 8200 s8.1.
Bytes PseudoHeader(const Bytes& packet, uint8_t protocol, size_t length) {
  Bytes out;
  if (packet[0] >> 4 == 6) {
    out.assign(packet.begin() + 8, packet.begin() + 40);
    out.resize(out.size() + 8);
    Put16(out, 34, length);
    out[39] = protocol;
  } else {
    out.assign(packet.begin() + 12, packet.begin() + 20);
    out.push_back(0);
    out.push_back(protocol);
    out.resize(out.size() + 2);
    Put16(out, 10, length);
  }
  return out;
}

uint16_t TransportChecksum(const Bytes& packet, size_t transport, uint8_t protocol) {
  Bytes all = PseudoHeader(packet, protocol, packet.size() - transport);
  all.insert(all.end(), packet.begin() + static_cast<ptrdiff_t>(transport), packet.end());
  return NaiveChecksum(all);
}

void FillIpLengths(Bytes& packet) {
  if (packet[0] >> 4 == 6) {
    Put16(packet, 4, packet.size() - 40);
    return;
  }
  Put16(packet, 2, packet.size());
  Put16(packet, 10, 0);
  size_t header = (packet[0] & 0x0fU) * 4;
  Put16(packet, 10, NaiveChecksum(Bytes(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(header))));
}

// Headers and payload, transport checksum zero; `*transport` is where TCP or UDP begins.
Bytes Assemble(const FlowSpec& flow, const Bytes& payload, size_t* transport) {
  Bytes out;
  uint8_t protocol = flow.udp ? kUdp : kTcp;
  if (flow.v6) {
    out.resize(40);
    out[0] = static_cast<uint8_t>(0x60 | flow.traffic_class >> 4);
    out[1] = static_cast<uint8_t>(flow.traffic_class << 4);
    out[6] = flow.ip_options.empty() ? protocol : kDestinationOptions;
    out[7] = flow.hop_limit;
    out[8] = out[24] = 0x20;
    out[9] = out[25] = 0x01;
    out[11] = out[27] = 0x20;
    out[23] = flow.source;
    out[39] = flow.destination;
    size_t options = out.size();
    out.insert(out.end(), flow.ip_options.begin(), flow.ip_options.end());
    if (!flow.ip_options.empty()) {
      out[options] = protocol;
      out[options + 1] = static_cast<uint8_t>(flow.ip_options.size() / 8 - 1);
    }
  } else {
    out.resize(20);
    out[0] = static_cast<uint8_t>(0x45 + flow.ip_options.size() / 4);
    out[1] = flow.traffic_class;
    Put16(out, 4, flow.id);
    out[6] = flow.dont_fragment ? 0x40 : 0;
    out[8] = flow.hop_limit;
    out[9] = protocol;
    out[12] = out[16] = 198;
    out[13] = out[17] = 18;
    out[15] = flow.source;
    out[19] = flow.destination;
    out.insert(out.end(), flow.ip_options.begin(), flow.ip_options.end());
  }
  *transport = out.size();
  size_t header = flow.udp ? 8 : 20 + flow.tcp_options.size();
  out.resize(out.size() + header);
  Put16(out, *transport, flow.source_port);
  Put16(out, *transport + 2, flow.destination_port);
  if (flow.udp) {
    Put16(out, *transport + 4, header + payload.size());
  } else {
    Put32(out, *transport + 4, flow.sequence);
    Put32(out, *transport + 8, flow.acknowledgement);
    out[*transport + 12] = static_cast<uint8_t>((header / 4) << 4);
    out[*transport + 13] = flow.flags;
    Put16(out, *transport + 14, flow.window);
    std::copy(flow.tcp_options.begin(), flow.tcp_options.end(),
              out.begin() + static_cast<ptrdiff_t>(*transport) + 20);
  }
  out.insert(out.end(), payload.begin(), payload.end());
  FillIpLengths(out);
  return out;
}

}  // namespace

uint16_t NaiveChecksum(const Bytes& data) { return static_cast<uint16_t>(~Sum(data)); }

Bytes MakePacket(const FlowSpec& flow, const Bytes& payload) {
  size_t transport = 0;
  Bytes out = Assemble(flow, payload, &transport);
  uint16_t checksum = TransportChecksum(out, transport, flow.udp ? kUdp : kTcp);
  if (flow.udp && checksum == 0) checksum = 0xffff;
  if (flow.udp && !flow.v6 && flow.no_checksum) checksum = 0;
  Put16(out, transport + (flow.udp ? 6 : 16), checksum);
  return out;
}

Bytes MakeSuperPacket(const FlowSpec& flow, const Bytes& payload, uint16_t gso_size) {
  size_t transport = 0;
  Bytes packet = Assemble(flow, payload, &transport);
  size_t field = flow.udp ? 6 : 16;
  uint16_t partial = Sum(PseudoHeader(packet, flow.udp ? kUdp : kTcp, packet.size() - transport));
  Put16(packet, transport + field, partial);
  Bytes out(10);
  out[0] = 1;
  if (gso_size != 0) out[1] = flow.udp ? 5 : flow.v6 ? 4 : 1;
  // Fields of the vnet header are little-endian.
  auto little = [&out](size_t at, size_t value) {
    out[at] = static_cast<uint8_t>(value);
    out[at + 1] = static_cast<uint8_t>(value >> 8);
  };
  little(2, transport + (flow.udp ? 8 : 20 + flow.tcp_options.size()));
  little(4, gso_size);
  little(6, transport);
  little(8, field);
  out.insert(out.end(), packet.begin(), packet.end());
  return out;
}

Bytes Completed(Bytes packet) {
  FillIpLengths(packet);
  bool v6 = packet[0] >> 4 == 6;
  size_t transport = v6 ? 40 : 20;
  uint8_t protocol = packet[v6 ? 6 : 9];
  size_t field = transport + (protocol == kUdp ? 6 : 16);
  Put16(packet, field, 0);
  uint16_t checksum = TransportChecksum(packet, transport, protocol);
  Put16(packet, field, protocol == kUdp && checksum == 0 ? 0xffff : checksum);
  return packet;
}

FlowSpec RandomFlow(Source& source) {
  FlowSpec flow;
  uint8_t kind = source.Byte();
  flow.v6 = (kind & 1) != 0;
  flow.udp = (kind & 2) != 0;
  flow.source = static_cast<uint8_t>(1 + source.Below(2));
  flow.source_port = static_cast<uint16_t>(1000 + source.Below(3));
  if ((kind & 4) != 0) flow.traffic_class = source.Byte();
  if ((kind & 8) != 0) flow.hop_limit = source.Byte();
  flow.id = source.U16();
  flow.dont_fragment = (kind & 16) == 0;
  flow.sequence = (kind & 32) != 0 ? 0xffff'ff00 : source.U32();
  flow.window = static_cast<uint16_t>(1024 + source.Below(2));
  if ((kind & 64) != 0) flow.tcp_options = source.Take(4 * source.Below(11));
  flow.no_checksum = source.OneIn(16);
  return flow;
}

std::vector<Bytes> NaiveSegments(const Bytes& data) {
  CHECK(data.size() > 10);
  auto little = [&data](size_t at) { return data[at] | size_t{data[at + 1]} << 8; };
  Bytes packet(data.begin() + 10, data.end());
  size_t start = little(6);
  size_t field = start + little(8);
  size_t gso_size = little(4);
  CHECK((data[0] & ~1) == 0);
  if ((data[0] & 1) == 0) {
    CHECK(data[1] == 0);
    return {packet};
  }
  CHECK(start < packet.size() && field + 2 <= packet.size());
  if (data[1] == 0) {
    uint16_t sum = NaiveChecksum(Bytes(packet.begin() + static_cast<ptrdiff_t>(start), packet.end()));
    Put16(packet, field, sum == 0 && field - start == 6 ? 0xffff : sum);
    return {packet};
  }
  bool v6 = packet[0] >> 4 == 6;
  bool udp = data[1] == 5;
  CHECK(udp || data[1] == (v6 ? 4 : 1));
  CHECK(gso_size > 0);
  // Linux refuses anything else (virtio_net_hdr_to_skb).
  CHECK(field - start == (udp ? 6 : 16));
  size_t header = start + (udp ? 8 : (packet.at(start + 12) >> 4) * size_t{4});
  CHECK(header < packet.size());
  CHECK(Get16(packet, field) == Sum(PseudoHeader(packet, udp ? kUdp : kTcp, packet.size() - start)));
  if (v6) {
    CHECK(Get16(packet, 4) == packet.size() - 40);
  } else {
    CHECK(Get16(packet, 2) == packet.size());
  }
  std::vector<Bytes> out;
  for (size_t at = header; at < packet.size(); at += gso_size) {
    size_t end = std::min(packet.size(), at + gso_size);
    Bytes segment(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(header));
    segment.insert(segment.end(), packet.begin() + static_cast<ptrdiff_t>(at),
                   packet.begin() + static_cast<ptrdiff_t>(end));
    if (!v6) Put16(segment, 4, Get16(packet, 4) + out.size());
    FillIpLengths(segment);
    if (udp) {
      Put16(segment, start + 4, segment.size() - start);
    } else {
      Put32(segment, start + 4, static_cast<uint32_t>(Get32(packet, start + 4) + (at - header)));
      constexpr uint8_t kFinPush = 0x09;
      constexpr uint8_t kCwr = 0x80;
      if (end != packet.size()) segment[start + 13] &= static_cast<uint8_t>(~kFinPush);
      if (at != header) segment[start + 13] &= static_cast<uint8_t>(~kCwr);
    }
    Put16(segment, field, 0);
    uint16_t checksum = TransportChecksum(segment, start, udp ? kUdp : kTcp);
    Put16(segment, field, udp && checksum == 0 ? 0xffff : checksum);
    out.push_back(std::move(segment));
  }
  return out;
}

Bytes NaiveExpand(const Bytes& data, const Bytes& original) {
  CHECK(!data.empty());
  if (data[0] >> 4 != 1) return data;
  Bytes out;
  if ((data[0] & 15) == 6) {
    CHECK(data.size() >= 7 && (data[4] & 0xf0) == 0);
    out = {static_cast<uint8_t>(0x60 | data[1] >> 4),
           static_cast<uint8_t>(data[1] << 4 | data[4]),
           data[5],
           data[6],
           0,
           0,
           data[2],
           data[3]};
    out.insert(out.end(), original.begin() + 8, original.begin() + 40);
    out.insert(out.end(), data.begin() + 7, data.end());
  } else {
    CHECK(data[0] == 0x14 && data.size() >= 8);
    out = {0x45, data[1], 0, 0, data[2], data[3], data[4], data[5], data[6], data[7], 0, 0};
    out.insert(out.end(), original.begin() + 12, original.begin() + 20);
    out.insert(out.end(), data.begin() + 8, data.end());
  }
  FillIpLengths(out);
  return out;
}

bool IsIntact(const Bytes& packet) {
  if (packet.size() < 20) return false;
  bool v6 = packet[0] >> 4 == 6;
  size_t transport = v6 ? 40 : 20;
  if (packet.size() < transport) return false;
  if (v6 ? Get16(packet, 4) != packet.size() - 40 : Get16(packet, 2) != packet.size()) return false;
  if (!v6 && Sum(Bytes(packet.begin(), packet.begin() + 20)) != 0xffff) return false;
  uint8_t protocol = packet[v6 ? 6 : 9];
  Bytes all;
  if (protocol == kTcp || protocol == kUdp || protocol == kIcmpV6)
    all = PseudoHeader(packet, protocol, packet.size() - transport);
  all.insert(all.end(), packet.begin() + static_cast<ptrdiff_t>(transport), packet.end());
  return Sum(all) == 0xffff;
}

bool SameButId(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  if (a.size() >= 20 && a[0] >> 4 == 4 && b[0] >> 4 == 4) {
    for (Bytes* packet : {&a, &b}) {
      for (size_t at : {4, 5, 10, 11}) (*packet)[at] = 0;
    }
  }
  return a == b;
}

std::string Hex(const Bytes& data) {
  std::string out;
  for (uint8_t byte : data) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace idloc::test
