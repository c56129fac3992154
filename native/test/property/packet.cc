#include "net/packet.h"

#include <memory>

#include "property/properties.h"
#include "support/check.h"
#include "support/packets.h"
#include "tunnel/icmp_error.h"

namespace idloc::test {

void ParsesWithinBounds(Source& source) {
  Bytes packet = source.Rest();
  // Memory of exactly the size: vectors keep more.
  auto exact = std::make_unique<uint8_t[]>(packet.size());
  std::copy(packet.begin(), packet.end(), exact.get());
  PacketView view;
  if (ParsePacket(exact.get(), packet.size(), &view)) {
    CHECK(view.length <= packet.size());
    CHECK(view.transport_offset <= view.length);
    CHECK(view.v6 == (packet[0] >> 4 == 6));
    // Text and back.
    for (const IpAddress& address : {view.source, view.destination}) {
      auto again = IpAddress::Parse(address.ToString());
      CHECK(again.has_value() && *again == address);
      if (address.unset()) CHECK(IsUnroutable(address));
    }
  }
  auto answer = std::make_unique<uint8_t[]>(kMaxIcmpErrorBytes);
  size_t length = MakeUnreachable(exact.get(), packet.size(), answer.get());
  if (length == 0) return;
  CHECK(length <= kMaxIcmpErrorBytes);
  Bytes icmp(answer.get(), answer.get() + length);
  CHECK(IsIntact(icmp));
  PacketView reply;
  CHECK(ParsePacket(icmp.data(), icmp.size(), &reply));
  CHECK(reply.destination == view.source && reply.source == view.destination);
  // RFC 1122 s3.2.2, RFC 4443 s2.4: no answer to the answer.
  CHECK(MakeUnreachable(icmp.data(), icmp.size(), answer.get()) == 0);
}

}  // namespace idloc::test
