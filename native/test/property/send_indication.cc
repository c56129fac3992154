#include <algorithm>
#include <memory>

#include "base/bytes.h"
#include "property/properties.h"
#include "relay/turn_server.h"
#include "support/check.h"
#include "support/packets.h"

namespace idloc::test {

namespace {

constexpr uint16_t kSend = 0x0016;

// As a client writes it: the server's own writing under the other method. Now and then a byte is another.
Bytes MakeIndication(Source& source, const Endpoint& peer, const Bytes& data, bool* is_whole) {
  Bytes transaction = source.Take(12);
  Bytes message(DataIndicationBytes(peer, data.size()));
  uint8_t* at = WriteDataIndication(message.data(), peer, data.size(), transaction.data());
  std::copy(data.begin(), data.end(), at);
  StoreBe16(message.data(), kSend);
  *is_whole = source.OneIn(2);
  if (!*is_whole) message[source.Below(message.size())] = source.Byte();
  return message;
}

}  // namespace

void ReadsSendIndications(Source& source) {
  Bytes address = source.Take(16);
  Endpoint peer{source.OneIn(2) ? IpAddress::FromV4(address.data()) : IpAddress::FromV6(address.data()),
                static_cast<uint16_t>(1 + source.Below(65'535))};
  bool is_ours = source.OneIn(2);
  bool is_whole = false;
  Bytes data = is_ours ? source.Take(source.Below(1'400)) : Bytes{};
  Bytes message = is_ours ? MakeIndication(source, peer, data, &is_whole) : source.Rest();
  // Memory of exactly the size: vectors keep more.
  auto exact = std::make_unique<uint8_t[]>(message.size());
  std::copy(message.begin(), message.end(), exact.get());
  std::optional<SendIndication> read = ReadSendIndication(exact.get(), message.size());
  if (is_whole) {
    CHECK(read.has_value() && read->peer == peer);
    CHECK(std::equal(data.begin(), data.end(), read->data, read->data + read->length));
  }
  if (!read.has_value()) return;
  CHECK(read->peer.port != 0);
  CHECK(read->data >= exact.get() && read->data + read->length <= exact.get() + message.size());
}

}  // namespace idloc::test
