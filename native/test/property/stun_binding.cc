#include "net/stun_binding.h"

#include <memory>

#include "base/bytes.h"
#include "property/properties.h"
#include "support/check.h"
#include "support/packets.h"

namespace idloc::test {

namespace {

constexpr size_t kHeaderBytes = 20;
constexpr uint16_t kPadding = 0x0026;

IpAddress AnyAddress(Source& source) {
  Bytes bytes = source.Take(16);
  return source.OneIn(2) ? IpAddress::FromV4(bytes.data()) : IpAddress::FromV6(bytes.data());
}

// A request as peers send it, but for FINGERPRINT; now and then one byte of it is another.
Bytes MakeRequest(Source& source) {
  size_t padding = source.Below(16) * 4;
  Bytes request(kHeaderBytes + 4 + padding);
  StoreBe16(&request[0], 0x0001);
  StoreBe16(&request[2], static_cast<uint16_t>(request.size() - kHeaderBytes));
  StoreBe32(&request[4], 0x2112a442);
  Bytes transaction = source.Take(12);
  std::copy(transaction.begin(), transaction.end(), &request[8]);
  StoreBe16(&request[kHeaderBytes], kPadding);
  StoreBe16(&request[kHeaderBytes + 2], static_cast<uint16_t>(padding));
  if (source.OneIn(2)) request[source.Below(request.size())] = source.Byte();
  return request;
}

}  // namespace

void AnswersPlainBindingRequests(Source& source) {
  Endpoint remote{AnyAddress(source), source.U16()};
  bool v4 = remote.address.is_v4();
  Bytes request = source.OneIn(2) ? MakeRequest(source) : source.Rest();
  // Memory of exactly the size: vectors keep more.
  auto exact = std::make_unique<uint8_t[]>(request.size());
  std::copy(request.begin(), request.end(), exact.get());
  auto answer = std::make_unique<uint8_t[]>(kMaxBindingAnswer);
  size_t length = AnswerBinding(exact.get(), request.size(), remote, answer.get());
  if (length == 0) return;
  CHECK(length <= request.size());
  CHECK(length == (v4 ? 40u : 52u));
  CHECK(LoadBe16(&request[0]) == 0x0001 && LoadBe16(&answer[0]) == 0x0101);
  CHECK(LoadBe16(&answer[2]) == length - kHeaderBytes);
  CHECK(std::equal(&answer[4], &answer[kHeaderBytes], &request[4]));
  CHECK((LoadBe16(&answer[26]) ^ 0x2112) == remote.port);
  for (size_t i = 0; i < (v4 ? 4u : 16u); i++) {
    CHECK((answer[28 + i] ^ answer[4 + i]) == remote.address.bytes[(v4 ? 12 : 0) + i]);
  }
  // No answer to the answer.
  CHECK(AnswerBinding(answer.get(), length, remote, exact.get()) == 0);
}

}  // namespace idloc::test
