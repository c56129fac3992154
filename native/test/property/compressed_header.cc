#include "net/compressed_header.h"

#include <cstring>
#include <memory>

#include "property/properties.h"
#include "support/check.h"
#include "support/packets.h"

namespace idloc::test {

namespace {

// Header and rest as ExpandHeader tells; nothing when it refuses.
Bytes Expand(const Bytes& data, const IpAddress& from, const IpAddress& to) {
  auto exact = std::make_unique<uint8_t[]>(data.size());
  std::copy(data.begin(), data.end(), exact.get());
  auto header = std::make_unique<uint8_t[]>(kIpv6HeaderBytes);
  PacketView view;
  size_t header_bytes = 0;
  if (!ExpandHeader(exact.get(), data.size(), from, to, header.get(), &view, &header_bytes)) return {};
  CHECK(header_bytes <= data.size());
  CHECK(view.transport_offset + data.size() - header_bytes == view.length);
  Bytes out(header.get(), header.get() + view.transport_offset);
  out.insert(out.end(), data.begin() + static_cast<ptrdiff_t>(header_bytes), data.end());
  // The parser of whole packets sees the same packet.
  PacketView parsed;
  CHECK(ParsePacket(out.data(), out.size(), &parsed));
  CHECK(parsed.length == view.length && parsed.transport_offset == view.transport_offset);
  CHECK(parsed.protocol == view.protocol && parsed.v6 == view.v6 && parsed.plain == view.plain);
  CHECK(parsed.source == from && parsed.destination == to);
  return out;
}

}  // namespace

void ExpandsWhatWasCompressed(Source& source) {
  if (source.OneIn(2)) {
    Bytes data = source.Rest();
    if (data.empty()) return;
    bool v6 = InnerVersion(data[0]) == 6;
    uint8_t bytes[16] = {0x20, 0x01, 0, 0x20, 9};
    IpAddress from = v6 ? IpAddress::FromV6(bytes) : IpAddress::FromV4(bytes);
    bytes[3]++;
    IpAddress to = v6 ? IpAddress::FromV6(bytes) : IpAddress::FromV4(bytes);
    Bytes whole = Expand(data, from, to);
    if (whole.empty()) return;
    // Nothing is lost: compressed again it is what it was.
    uint8_t again[kCompressedIpv4Bytes];
    size_t length = CompressHeader(whole.data(), again);
    CHECK(length <= data.size() && std::memcmp(again, data.data(), length) == 0);
    return;
  }
  Bytes packet = MakePacket(RandomFlow(source), source.Take(source.Below(64)));
  if (source.OneIn(2)) packet[source.Below(packet.size())] = source.Byte();
  PacketView view;
  if (!ParsePacket(packet.data(), packet.size(), &view) || CompressibleBytes(packet.data()) == 0) return;
  Bytes data(kCompressedIpv4Bytes);
  data.resize(CompressHeader(packet.data(), data.data()));
  data.insert(data.end(), packet.begin() + static_cast<ptrdiff_t>(CompressibleBytes(packet.data())),
              packet.begin() + static_cast<ptrdiff_t>(view.length));
  Bytes whole = Expand(data, view.source, view.destination);
  CHECK(whole == NaiveExpand(data, packet));
  packet.resize(view.length);
  // The header checksum is computed anew, and right then.
  if (!view.v6) packet[10] = whole[10], packet[11] = whole[11];
  CHECK(whole == packet);
}

}  // namespace idloc::test
