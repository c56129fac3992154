#include "tun/segmenter.h"

#include <cstring>
#include <memory>

#include "net/packet.h"
#include "property/properties.h"
#include "support/check.h"
#include "support/packets.h"
#include "tun/vnet_header.h"

namespace idloc::test {

namespace {

// As the data plane does it; each packet in memory of exactly its size, so that a byte too many is seen.
std::vector<Bytes> Segment(const Bytes& vnet_and_packet, size_t length) {
  VnetHeader header;
  std::memcpy(&header, vnet_and_packet.data(), sizeof header);
  auto packet = std::make_unique<uint8_t[]>(length);
  std::memcpy(packet.get(), vnet_and_packet.data() + sizeof header, length);
  Bytes whole(packet.get(), packet.get() + length);
  Segmenter segmenter;
  if (!segmenter.Init(header, packet.get(), length)) return {};
  std::vector<Bytes> out;
  for (size_t i = 0; i < segmenter.packets(); i++) {
    size_t size = segmenter.PacketLength(i);
    CHECK(size > 0 && size <= length);
    auto place = std::make_unique<uint8_t[]>(size);
    segmenter.WritePacket(i, place.get());
    // The addresses are left out on the wire, but that is no business of these properties.
    out.push_back(NaiveExpand(Bytes(place.get(), place.get() + size), whole));
  }
  CHECK(!out.empty());
  return out;
}

}  // namespace

void SegmentsAsACardWould(Source& source) {
  FlowSpec flow = RandomFlow(source);
  flow.no_checksum = false;
  flow.flags = static_cast<uint8_t>(0x10 | source.Byte());
  if (source.OneIn(8)) flow.ip_options = source.Take(flow.v6 ? 8 : 4 * source.Below(11));
  size_t gso_size = source.OneIn(8) ? source.Between(64, 200) : source.Between(1000, 1460);
  size_t most = std::min<size_t>(65'000, gso_size * 200);
  bool small = source.OneIn(4);
  Bytes payload(source.Between(1, small ? 3 * gso_size : most));
  for (size_t i = 0; i < payload.size(); i++) payload[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  if (source.OneIn(4)) std::fill(payload.begin(), payload.end(), source.OneIn(2) ? 0xff : 0);
  bool single = source.OneIn(8);
  Bytes given = MakeSuperPacket(flow, payload, single ? 0 : static_cast<uint16_t>(gso_size));
  std::vector<Bytes> expected = NaiveSegments(given);
  std::vector<Bytes> made = Segment(given, given.size() - kVnetHeaderBytes);
  CHECK(made.size() == expected.size());
  for (size_t i = 0; i < made.size(); i++) CHECK(made[i] == expected[i]);
}

void SegmentsWhateverItIs(Source& source) {
  Bytes given = source.Take(kVnetHeaderBytes);
  bool long_packet = source.OneIn(4);
  Bytes packet = source.Rest();
  // The fuzzer's bytes are few; a packet that is really long is one with a tail of no interest.
  if (long_packet && packet.size() >= 20) packet.resize(packet.size() + source.U16() % 40'000, 0xa5);
  PacketView view;
  if (!ParsePacket(packet.data(), packet.size(), &view)) return;
  given.insert(given.end(), packet.begin(), packet.end());
  std::vector<Bytes> made = Segment(given, view.length);
  if (made.empty()) return;
  bool super = (given[1] & 0x7f) != 0;
  size_t payload = 0;
  for (const Bytes& out : made) {
    payload += out.size();
    if (!super) continue;
    // Right when the headers are those of one flow: as a kernel makes it.
    if (view.plain && view.protocol == (given[1] % 128 == 5 ? 17 : 6) &&
        (given[6] | size_t{given[7]} << 8) == view.transport_offset) {
      CHECK(IsIntact(out));
    }
  }
  CHECK(payload >= view.length);
}

}  // namespace idloc::test
