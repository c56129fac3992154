#include "net/address.h"

#include <arpa/inet.h>
#include <sys/random.h>

#include <cstdio>

#include "base/bytes.h"

namespace idloc {

std::optional<IpAddress> IpAddress::Parse(const std::string& text) {
  uint8_t buffer[16];
  if (inet_pton(AF_INET, text.c_str(), buffer) == 1) return FromV4(buffer);
  if (inet_pton(AF_INET6, text.c_str(), buffer) == 1) return FromV6(buffer);
  return std::nullopt;
}

std::string IpAddress::ToString() const {
  char text[64];
  if (is_v4()) {
    std::snprintf(text, sizeof text, "%u.%u.%u.%u", bytes[12], bytes[13], bytes[14], bytes[15]);
    return text;
  }
  uint16_t groups[8];
  for (int i = 0; i < 8; i++) groups[i] = LoadBe16(&bytes[2 * i]);
  // RFC 5952 s4.2.3: the longest run of two or more zero groups is shortened, the first one of equals.
  int best_start = -1;
  int best_length = 1;
  for (int start = 0; start < 8; start++) {
    int length = 0;
    while (start + length < 8 && groups[start + length] == 0) length++;
    if (length > best_length) {
      best_start = start;
      best_length = length;
    }
  }
  std::string out;
  for (int i = 0; i < 8;) {
    if (i == best_start) {
      out += "::";
      i += best_length;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    std::snprintf(text, sizeof text, "%x", groups[i]);
    out += text;
    i++;
  }
  return out;
}

uint64_t AddressHash::Seed() {
  static const uint64_t seed = [] {
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != sizeof value) value = 0x9e3779b97f4a7c15;
    return value;
  }();
  return seed;
}

}  // namespace idloc
