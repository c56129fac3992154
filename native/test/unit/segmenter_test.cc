#include "tun/segmenter.h"

#include <cstring>

#include "support/packets.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

// The checksum field of the only packet that comes out.
uint16_t ChecksumOf(bool udp, uint16_t gso_size, const Bytes& payload) {
  FlowSpec flow;
  flow.udp = udp;
  Bytes data = MakeSuperPacket(flow, payload, gso_size);
  VnetHeader header;
  std::memcpy(&header, data.data(), sizeof header);
  Segmenter segmenter;
  CHECK(segmenter.Init(header, data.data() + sizeof header, data.size() - sizeof header));
  CHECK(segmenter.packets() == 1);
  Bytes out(segmenter.PacketLength(0));
  segmenter.WritePacket(0, out.data());
  Bytes whole = NaiveExpand(out, Bytes(data.begin() + sizeof header, data.end()));
  CHECK(IsIntact(whole));
  size_t field = 40 + (udp ? 6 : 16);
  return static_cast<uint16_t>(whole[field] << 8 | whole[field + 1]);
}

}  // namespace

TEST("a checksum that comes out as zero is sent as zero by TCP and as all ones by UDP, as Linux does") {
  for (bool udp : {false, true}) {
    for (uint16_t gso_size : {0, 1000}) {
      // Two bytes of payload take the sum to any value; the value 0 leaves what the rest adds up to.
      uint16_t rest = ChecksumOf(udp, gso_size, {0, 0});
      Bytes payload{static_cast<uint8_t>(rest >> 8), static_cast<uint8_t>(rest)};
      CHECK(ChecksumOf(udp, gso_size, payload) == (udp ? 0xffff : 0));
    }
  }
}

TEST("a packet whose checksum would be written into its IP header is refused") {
  for (bool v6 : {true, false}) {
    FlowSpec flow;
    flow.v6 = v6;
    Bytes data = MakeSuperPacket(flow, Bytes(100), 0);
    VnetHeader header;
    std::memcpy(&header, data.data(), sizeof header);
    CHECK((header.flags & kVnetNeedsChecksum) != 0);
    Bytes before = data;
    for (uint16_t start = 0; start < (v6 ? 40 : 20); start++) {
      header.checksum_start = start;
      header.checksum_offset = 0;
      Segmenter segmenter;
      CHECK(!segmenter.Init(header, data.data() + sizeof header, data.size() - sizeof header));
      CHECK(data == before);
    }
  }
}

}  // namespace idloc::test
