#pragma once
// Settings and credentials of handshakes, and the stateless cookie.
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/address.h"

namespace idloc {

struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextFree>;

// Every handshake is mutual and takes any certificate: who the peer may be is decided in JavaScript.
// `certificates` are DER, leaf first; `private_key` is PKCS#8.
Error MakeSslContext(const std::vector<std::vector<uint8_t>>& certificates,
                     const std::vector<uint8_t>& private_key, SslContext* out);

// HMAC of the address under a secret that changes (RFC 6347 s4.2.1).
class CookieJar {
 public:
  static constexpr size_t kCookieBytes = 32;
  using Cookie = uint8_t[kCookieBytes];

  bool Make(const Endpoint& remote, Nanoseconds now, Cookie cookie);
  bool Verify(const Endpoint& remote, Nanoseconds now, const uint8_t* cookie, size_t length);

 private:
  // A cookie is good for one to two of these: long against any round trip, short against collecting them.
  static constexpr Nanoseconds kRotation = 60 * kSecond;
  using Secret = uint8_t[32];

  bool Rotate(Nanoseconds now);
  static bool Compute(const Secret& secret, const Endpoint& remote, Cookie cookie);

  Secret current_ = {};
  Secret previous_ = {};
  Nanoseconds rotated_at_ = 0;
  bool filled_ = false;
};

}  // namespace idloc
