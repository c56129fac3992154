#include "net/stun_binding.h"

#include <array>
#include <cstring>

#include "base/bytes.h"

namespace idloc {

namespace {

constexpr size_t kHeaderBytes = 20;
constexpr size_t kAttributeHeaderBytes = 4;
constexpr size_t kFingerprintBytes = 8;
constexpr uint16_t kBindingRequest = 0x0001;
constexpr uint16_t kBindingSuccess = 0x0101;
constexpr uint32_t kMagicCookie = 0x2112a442;
constexpr uint16_t kXorMappedAddress = 0x0020;
constexpr uint16_t kPadding = 0x0026;
constexpr uint16_t kSoftware = 0x8022;
constexpr uint16_t kFingerprint = 0x8028;
constexpr uint32_t kFingerprintXor = 0x5354554e;

// ITU V.42, as RFC 8489 s14.7 asks for.
constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
    table[i] = crc;
  }
  return table;
}();

uint32_t Fingerprint(const uint8_t* message, size_t length) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < length; i++) crc = (crc >> 8) ^ kCrcTable[(crc ^ message[i]) & 0xff];
  return ~crc ^ kFingerprintXor;
}

// Whether nothing but the address is asked for.
bool IsPlainRequest(const uint8_t* request, size_t length) {
  if (length < kHeaderBytes || LoadBe16(request) != kBindingRequest) return false;
  if (LoadBe16(request + 2) != length - kHeaderBytes || length % 4 != 0) return false;
  if (LoadBe32(request + 4) != kMagicCookie) return false;
  for (size_t at = kHeaderBytes; at < length;) {
    // The rest is a multiple of four.
    uint16_t type = LoadBe16(request + at);
    size_t bytes = LoadBe16(request + at + 2);
    size_t next = at + kAttributeHeaderBytes + (bytes + 3) / 4 * 4;
    if (next > length) return false;
    if (type == kFingerprint) {
      if (bytes != 4 || next != length) return false;
      if (LoadBe32(request + at + kAttributeHeaderBytes) != Fingerprint(request, at)) return false;
    } else if (type != kPadding && type != kSoftware) {
      return false;
    }
    at = next;
  }
  return true;
}

}  // namespace

size_t AnswerBinding(const uint8_t* request, size_t length, const Endpoint& remote,
                     uint8_t answer[kMaxBindingAnswer]) {
  bool v4 = remote.address.is_v4();
  size_t value = v4 ? 8 : 20;
  size_t fingerprint = kHeaderBytes + kAttributeHeaderBytes + value;
  size_t total = fingerprint + kFingerprintBytes;
  if (total > length || !IsPlainRequest(request, length)) return 0;

  std::memcpy(answer, request, kHeaderBytes);  // cookie and transaction
  StoreBe16(answer, kBindingSuccess);
  StoreBe16(answer + 2, static_cast<uint16_t>(total - kHeaderBytes));
  uint8_t* at = answer + kHeaderBytes;
  StoreBe16(at, kXorMappedAddress);
  StoreBe16(at + 2, static_cast<uint16_t>(value));
  at[4] = 0;
  at[5] = v4 ? 1 : 2;
  StoreBe16(at + 6, static_cast<uint16_t>(remote.port ^ (kMagicCookie >> 16)));
  // RFC 8489 s14.2: the address is masked by the cookie and, of IPv6, the transaction, as they stand there.
  const uint8_t* mask = answer + 4;
  const uint8_t* address = remote.address.bytes.data() + (v4 ? 12 : 0);
  for (size_t i = 0; i < value - 4; i++) at[8 + i] = address[i] ^ mask[i];
  uint32_t crc = Fingerprint(answer, fingerprint);
  StoreBe16(answer + fingerprint, kFingerprint);
  StoreBe16(answer + fingerprint + 2, 4);
  StoreBe32(answer + fingerprint + 4, crc);
  return total;
}

}  // namespace idloc
