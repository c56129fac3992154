#include "tun/fragmenter.h"

#include <cstring>
#include <memory>

#include "net/packet.h"
#include "property/properties.h"
#include "support/check.h"
#include "support/packets.h"
#include "tun/segmenter.h"

namespace idloc::test {

namespace {

constexpr uint8_t kFragmentType = 44;

// Each fragment in memory of exactly its size, with its addresses put back; nothing when it is refused.
std::vector<Bytes> Fragment(const Bytes& packet, size_t limit, uint32_t identification) {
  auto exact = std::make_unique<uint8_t[]>(packet.size());
  std::copy(packet.begin(), packet.end(), exact.get());
  Fragmenter fragmenter;
  if (!fragmenter.Init(exact.get(), packet.size(), limit, identification)) return {};
  std::vector<Bytes> out;
  for (size_t i = 0; i < fragmenter.fragments(); i++) {
    size_t size = fragmenter.FragmentLength(i);
    CHECK(size > 0 && size <= limit);
    auto place = std::make_unique<uint8_t[]>(size);
    fragmenter.WriteFragment(i, place.get());
    out.push_back(NaiveExpand(Bytes(place.get(), place.get() + size), packet));
  }
  CHECK(!out.empty());
  return out;
}

struct Piece {
  Bytes head;  // what is in front of the fragmented part, as it was before
  size_t offset = 0;
  bool more = false;
  uint32_t identification = 0;
  Bytes body;
};

// RFC 8200 s4.5 and RFC 791 s3.2, as a receiver reads them.
Piece Read(const Bytes& packet) {
  Piece out;
  size_t body = 0;
  if (packet[0] >> 4 == 6) {
    CHECK((packet[4] << 8 | packet[5]) == static_cast<int>(packet.size()) - 40);
    size_t field = 6;
    size_t at = 40;
    while (packet.at(field) != kFragmentType) {
      field = at;
      at += (packet.at(at + 1) + size_t{1}) * 8;
    }
    out.head.assign(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(at));
    out.head[field] = packet.at(at);
    out.head[4] = out.head[5] = 0;
    out.offset = (packet.at(at + 2) << 8 | packet.at(at + 3)) & 0xfff8;
    out.more = (packet[at + 3] & 1) != 0;
    for (size_t i = 0; i < 4; i++) out.identification = out.identification << 8 | packet.at(at + 4 + i);
    body = at + 8;
  } else {
    body = (packet[0] & 15) * size_t{4};
    CHECK((packet[2] << 8 | packet[3]) == static_cast<int>(packet.size()));
    CHECK(NaiveChecksum(Bytes(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(body))) == 0);
    CHECK((packet[6] & 0xc0) == 0);
    out.head.assign(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(body));
    for (size_t at : {2, 3, 4, 5, 6, 7, 10, 11}) out.head[at] = 0;
    out.offset = ((packet[6] << 8 | packet[7]) & 0x1fff) * size_t{8};
    out.more = (packet[6] & 0x20) != 0;
    out.identification = static_cast<uint32_t>(packet[4] << 8 | packet[5]);
  }
  out.body.assign(packet.begin() + static_cast<ptrdiff_t>(body), packet.end());
  return out;
}

// The fragmented part, from fragments in order; `head` becomes what is in front of it.
Bytes Reassemble(const std::vector<Bytes>& fragments, Bytes* head) {
  Bytes out;
  uint32_t identification = Read(fragments.front()).identification;
  for (size_t i = 0; i < fragments.size(); i++) {
    Piece piece = Read(fragments[i]);
    CHECK(piece.identification == identification);
    CHECK(piece.offset == out.size());
    CHECK(piece.more == (i + 1 != fragments.size()));
    if (i == 0) *head = piece.head;
    CHECK(piece.head.size() == head->size());
    out.insert(out.end(), piece.body.begin(), piece.body.end());
  }
  return out;
}

}  // namespace

void FragmentsComeTogetherAgain(Source& source) {
  FlowSpec flow = RandomFlow(source);
  if (source.OneIn(4))
    flow.ip_options = source.Take(flow.v6 ? 8 * source.Between(1, 3) : 4 * source.Below(11));
  Bytes payload(source.Between(1, source.OneIn(8) ? 60'000 : 4000));
  for (size_t i = 0; i < payload.size(); i++) payload[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  Bytes packet = MakePacket(flow, payload);
  // Hop-by-hop options stay in front, in the kernel's eyes; destination options do not.
  if (flow.v6 && !flow.ip_options.empty() && source.OneIn(2)) packet[6] = 0;
  size_t limit = source.Between(150, 1450);
  uint32_t identification = source.U32();
  std::vector<Bytes> fragments = Fragment(packet, limit, identification);
  CHECK(!fragments.empty());
  // Those are fragmented again by a narrower path.
  std::vector<Bytes> again;
  size_t narrower = source.Between(100, limit);
  for (const Bytes& fragment : fragments) {
    std::vector<Bytes> pieces = Fragment(fragment, narrower, identification + 1);
    CHECK(!pieces.empty());
    again.insert(again.end(), pieces.begin(), pieces.end());
  }
  for (const std::vector<Bytes>& all : {fragments, again}) {
    Bytes head;
    Bytes body = Reassemble(all, &head);
    head.insert(head.end(), body.begin(), body.end());
    CHECK(head.size() == packet.size());
    if (!flow.v6 && !flow.dont_fragment) CHECK(Read(all.front()).identification == flow.id);
    if (flow.v6 || flow.dont_fragment) {
      CHECK(Read(all.front()).identification == (flow.v6 ? identification : identification & 0xffff));
    }
    Bytes expected = packet;
    if (flow.v6) {
      expected[4] = expected[5] = 0;
    } else {
      for (size_t at : {2, 3, 4, 5, 6, 7, 10, 11}) expected[at] = 0;
    }
    CHECK(head == expected);
  }
}

void FragmentsWhateverItIs(Source& source) {
  size_t limit = source.Between(1, 2000);
  Bytes packet = source.Rest();
  PacketView view;
  if (!ParsePacket(packet.data(), packet.size(), &view)) return;
  packet.resize(view.length);
  size_t bytes = 0;
  for (const Bytes& fragment : Fragment(packet, limit, 1)) bytes += fragment.size();
  CHECK(bytes == 0 || bytes >= packet.size());
}

void SegmentsNoLargerThanTold(Source& source) {
  FlowSpec flow = RandomFlow(source);
  flow.udp = false;
  flow.flags = static_cast<uint8_t>(0x10 | (source.Byte() & 0xc9));
  if (!flow.v6 && source.OneIn(4)) flow.ip_options = source.Take(4 * source.Below(11));
  size_t limit = source.Between(200, 1400);
  size_t gso_size = source.Between(100, 1460);
  bool super = source.OneIn(2);
  Bytes payload(source.Between(1, super ? 30'000 : 1460));
  for (size_t i = 0; i < payload.size(); i++) payload[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  Bytes given = MakeSuperPacket(flow, payload, super ? static_cast<uint16_t>(gso_size) : 0);
  Bytes packet(given.begin() + kVnetHeaderBytes, given.end());
  VnetHeader header;
  std::memcpy(&header, given.data(), sizeof header);
  size_t compressed = flow.v6 ? 7 : flow.ip_options.empty() ? 8 : 20 + flow.ip_options.size();
  size_t head = compressed + 20 + flow.tcp_options.size();
  bool fits = head + payload.size() <= limit;
  auto most = static_cast<uint16_t>(std::min(super ? gso_size : payload.size(), limit - head));
  // As a kernel would have it made that knows the path.
  Bytes meant = MakeSuperPacket(flow, payload, !super && fits ? 0 : most);
  std::vector<Bytes> expected = NaiveSegments(meant);
  Segmenter segmenter;
  CHECK(segmenter.Init(header, packet.data(), packet.size(), Segmenter::Form::kCompressed, limit));
  CHECK(segmenter.packets() == expected.size());
  for (size_t i = 0; i < expected.size(); i++) {
    size_t size = segmenter.PacketLength(i);
    CHECK(size <= limit);
    auto place = std::make_unique<uint8_t[]>(size);
    segmenter.WritePacket(i, place.get());
    CHECK(NaiveExpand(Bytes(place.get(), place.get() + size), packet) == expected[i]);
  }
}

}  // namespace idloc::test
