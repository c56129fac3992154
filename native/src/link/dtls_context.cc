#include "link/dtls_context.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <cstring>
#include <string>

#include "link/dtls_session.h"

namespace idloc {

namespace {

// The authenticated encryption that hardware speeds up, with the curve of host identities (RFC 7401 s5.2.9).
constexpr const char* kCiphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
constexpr const char* kGroups = "X25519:P-256";
// Of a chain; ours has two or three kilobytes. It also bounds each of the ten messages that OpenSSL keeps
// while it waits for one before them, 100 kilobytes by default, of everyone who has proved an address.
constexpr long kMaxCertificateBytes = 16 * 1024;

std::string LastReason() {
  unsigned long error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return reason == nullptr ? "unknown reason" : reason;
}

Error BadCredentials(const char* what) {
  return {"bad_credentials", std::string(what) + ": " + LastReason() +
                                 "; give DER certificates, leaf first, and its PKCS#8 key"};
}

struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

}  // namespace

Error MakeSslContext(const std::vector<std::vector<uint8_t>>& certificates,
                     const std::vector<uint8_t>& private_key, SslContext* out) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(DTLS_method()));
  SSL_CTX* raw = context.get();
  if (raw == nullptr || SSL_CTX_set_min_proto_version(raw, DTLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(raw, DTLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(raw, kCiphers) != 1 || SSL_CTX_set1_groups_list(raw, kGroups) != 1) {
    return BadCredentials("the handshake cannot be set up");
  }
  SSL_CTX_set_options(
      raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_max_cert_list(raw, kMaxCertificateBytes);
  if (!DtlsSession::InstallCallbacks(raw)) return BadCredentials("the handshake cannot be set up");

  if (certificates.empty()) return BadCredentials("no certificate was given");
  for (size_t i = 0; i < certificates.size(); i++) {
    const uint8_t* p = certificates[i].data();
    std::unique_ptr<X509, X509Free> certificate(
        d2i_X509(nullptr, &p, static_cast<long>(certificates[i].size())));
    if (certificate == nullptr) return BadCredentials("a certificate does not parse");
    int done = i == 0 ? SSL_CTX_use_certificate(raw, certificate.get())
                      : static_cast<int>(SSL_CTX_add1_chain_cert(raw, certificate.get()));
    if (done != 1) return BadCredentials("a certificate is refused");
  }
  const uint8_t* p = private_key.data();
  std::unique_ptr<EVP_PKEY, KeyFree> key(
      d2i_AutoPrivateKey(nullptr, &p, static_cast<long>(private_key.size())));
  if (key == nullptr) return BadCredentials("the private key does not parse");
  if (SSL_CTX_use_PrivateKey(raw, key.get()) != 1 || SSL_CTX_check_private_key(raw) != 1) {
    return BadCredentials("the private key does not belong to the certificate");
  }
  *out = std::move(context);
  return {};
}

bool CookieJar::Rotate(Nanoseconds now) {
  if (filled_ && now - rotated_at_ < kRotation) return true;
  std::memcpy(previous_, current_, sizeof current_);
  if (RAND_bytes(current_, sizeof current_) != 1) return false;
  // Left alone for two periods, the older secret is too old as well; at first there is none.
  if (!filled_ || now - rotated_at_ >= 2 * kRotation) std::memcpy(previous_, current_, sizeof current_);
  filled_ = true;
  rotated_at_ = now;
  return true;
}

bool CookieJar::Compute(const Secret& secret, const Endpoint& remote, Cookie cookie) {
  uint8_t message[18];
  std::memcpy(message, remote.address.bytes.data(), 16);
  message[16] = static_cast<uint8_t>(remote.port >> 8);
  message[17] = static_cast<uint8_t>(remote.port);
  unsigned length = 0;
  return HMAC(EVP_sha256(), secret, sizeof(Secret), message, sizeof message, cookie, &length) != nullptr &&
         length == kCookieBytes;
}

bool CookieJar::Make(const Endpoint& remote, Nanoseconds now, Cookie cookie) {
  return Rotate(now) && Compute(current_, remote, cookie);
}

bool CookieJar::Verify(const Endpoint& remote, Nanoseconds now, const uint8_t* cookie, size_t length) {
  if (length != kCookieBytes || !Rotate(now)) return false;
  Cookie expected;
  if (Compute(current_, remote, expected) && CRYPTO_memcmp(expected, cookie, kCookieBytes) == 0) return true;
  return Compute(previous_, remote, expected) && CRYPTO_memcmp(expected, cookie, kCookieBytes) == 0;
}

}  // namespace idloc
