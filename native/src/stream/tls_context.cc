#include "stream/tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "net/address.h"

namespace idloc {

namespace {

constexpr long kLifeSeconds = 365L * 24 * 3600;
constexpr long kClockErrorSeconds = 2L * 24 * 3600;
constexpr long kMostCertificateBytes = 16 * 1024;
// A chain of RSA certificates with many names.
constexpr long kMostChainBytes = 64 * 1024;
// Of Debian and others; of Fedora. Looked into by the hash of a name, when a certificate is to be verified.
constexpr const char* kSystemAuthorities[] = {"/etc/ssl/certs",
                                              "/etc/pki/ca-trust/extracted/pem/directory-hash"};

struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

Error Failed() {
  unsigned long error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return {"bad_stream", std::string("TLS for streams cannot be set up: ") +
                            (reason == nullptr ? "unknown reason" : reason) +
                            "; look at server_name and alpn of the table stream"};
}

std::vector<uint8_t> EncodeAlpn(const std::vector<std::string>& names) {
  std::vector<uint8_t> out;
  for (const std::string& name : names) {
    out.push_back(static_cast<uint8_t>(name.size()));
    out.insert(out.end(), name.begin(), name.end());
  }
  return out;
}

SslContext MakeContext() {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_method()));
  SSL_CTX* raw = context.get();
  if (raw == nullptr || SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1) return nullptr;
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_max_cert_list(raw, kMostCertificateBytes);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
  return context;
}

int ChooseAlpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
               unsigned offered_length, void* argument) {
  auto* guise = static_cast<const StreamGuise*>(argument);
  std::vector<uint8_t> ours = EncodeAlpn(guise->alpn);
  unsigned char* chosen = nullptr;
  unsigned char length = 0;
  if (SSL_select_next_proto(&chosen, &length, ours.data(), static_cast<unsigned>(ours.size()), offered,
                            offered_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  // It lies in one of the two lists; ours goes.
  for (const unsigned char* at = offered; at < offered + offered_length; at += 1 + *at) {
    if (*at != length || !std::equal(chosen, chosen + length, at + 1)) continue;
    *out = at + 1;
    *out_length = length;
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

std::unique_ptr<X509, X509Free> MakeCertificate(EVP_PKEY* key, const std::string& name) {
  std::unique_ptr<X509, X509Free> certificate(X509_new());
  uint64_t serial = 0;
  if (certificate == nullptr || RAND_bytes(reinterpret_cast<uint8_t*>(&serial), sizeof serial) != 1)
    return nullptr;
  X509* raw = certificate.get();
  const std::string& subject = name.empty() ? std::string("localhost") : name;
  X509_NAME* own = X509_get_subject_name(raw);
  bool made =
      X509_set_version(raw, X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(raw), serial >> 1) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(raw), -kClockErrorSeconds) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(raw), kLifeSeconds) != nullptr &&
      X509_NAME_add_entry_by_txt(own, "CN", MBSTRING_UTF8, reinterpret_cast<const uint8_t*>(subject.data()),
                                 static_cast<int>(subject.size()), -1, 0) == 1 &&
      X509_set_issuer_name(raw, own) == 1 && X509_set_pubkey(raw, key) == 1 &&
      X509_sign(raw, key, EVP_sha256()) > 0;
  if (!made) return nullptr;
  return certificate;
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};

int NoPassword(char*, int, int, void*) { return -1; }

// False: they are none, or not of each other.
bool ShowCertificates(SSL_CTX* context, const StreamCertificate& shown) {
  const auto& [certificates, key] = shown;
  std::unique_ptr<BIO, BioFree> in(
      BIO_new_mem_buf(certificates.data(), static_cast<int>(certificates.size())));
  std::unique_ptr<BIO, BioFree> of_key(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
  if (in == nullptr || of_key == nullptr) return false;
  std::unique_ptr<X509, X509Free> own(PEM_read_bio_X509_AUX(in.get(), nullptr, NoPassword, nullptr));
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
  for (;;) {
    std::unique_ptr<X509, X509Free> next(PEM_read_bio_X509(in.get(), nullptr, NoPassword, nullptr));
    // Behind the last one it is no error.
    if (next == nullptr) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return false;
  }
  ERR_clear_error();
  std::unique_ptr<EVP_PKEY, KeyFree> secret(
      PEM_read_bio_PrivateKey(of_key.get(), nullptr, NoPassword, nullptr));
  return secret != nullptr && SSL_CTX_use_PrivateKey(context, secret.get()) == 1 &&
         SSL_CTX_check_private_key(context) == 1;
}

bool TrustAuthorities(X509_STORE* store, const std::string& pem) {
  std::unique_ptr<BIO, BioFree> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (in == nullptr) return false;
  size_t found = 0;
  for (;;) {
    std::unique_ptr<X509, X509Free> certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    // Behind the last one it is no error.
    if (certificate == nullptr) break;
    if (X509_STORE_add_cert(store, certificate.get()) != 1) return false;
    found++;
  }
  ERR_clear_error();
  return found > 0;
}

}  // namespace

Error MakeTurnClient(const std::string& name, const std::string& authorities, SslContext* out) {
  SslContext context = MakeContext();
  if (context == nullptr) return {"bad_stream", "TLS cannot be set up"};
  SSL_CTX* raw = context.get();
  X509_STORE* store = SSL_CTX_get_cert_store(raw);
  if (authorities.empty()) {
    for (const char* directory : kSystemAuthorities) X509_STORE_load_path(store, directory);
    ERR_clear_error();
  } else if (!TrustAuthorities(store, authorities)) {
    return {"bad_stream", "there is no certificate in ca_file"};
  }
  X509_VERIFY_PARAM* checks = SSL_CTX_get0_param(raw);
  // RFC 9525 s6: names stand in subjectAltName.
  X509_VERIFY_PARAM_set_hostflags(checks,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  bool named = IpAddress::Parse(name).has_value()
                   ? X509_VERIFY_PARAM_set1_ip_asc(checks, name.c_str()) == 1
                   : !name.empty() && X509_VERIFY_PARAM_set1_host(checks, name.c_str(), name.size()) == 1;
  const std::vector<uint8_t> alpn = EncodeAlpn({kTurnProtocol});
  // 0: done, unlike all others.
  if (!named || SSL_CTX_set_alpn_protos(raw, alpn.data(), static_cast<unsigned>(alpn.size())) != 0)
    return {"bad_stream", "its name is none that a certificate may have"};
  SSL_CTX_set_max_cert_list(raw, kMostChainBytes);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  *out = std::move(context);
  return {};
}

Error MakeStreamClient(const StreamGuise& guise, SslContext* out) {
  SslContext context = MakeContext();
  std::vector<uint8_t> alpn = EncodeAlpn(guise.alpn);
  // 0: done, unlike all others.
  if (context == nullptr ||
      (!alpn.empty() &&
       SSL_CTX_set_alpn_protos(context.get(), alpn.data(), static_cast<unsigned>(alpn.size())) != 0))
    return Failed();
  *out = std::move(context);
  return {};
}

Error MakeStreamServer(const StreamGuise& guise, const StreamCertificate& certificate, SslContext* out) {
  SslContext context = MakeContext();
  if (context == nullptr) return Failed();
  if (!certificate.certificates.empty()) {
    if (!ShowCertificates(context.get(), certificate)) {
      ERR_clear_error();
      return {"bad_stream", "the certificate and the key of streams are not of each other, or none"};
    }
  } else {
    std::unique_ptr<EVP_PKEY, KeyFree> key(EVP_EC_gen("P-256"));
    if (key == nullptr) return Failed();
    auto made = MakeCertificate(key.get(), guise.server_name);
    if (made == nullptr || SSL_CTX_use_certificate(context.get(), made.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1)
      return Failed();
  }
  if (!guise.alpn.empty())
    SSL_CTX_set_alpn_select_cb(context.get(), ChooseAlpn, const_cast<StreamGuise*>(&guise));
  *out = std::move(context);
  return {};
}

}  // namespace idloc
