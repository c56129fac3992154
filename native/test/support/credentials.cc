#include "support/credentials.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "support/check.h"
#include "support/source.h"

namespace idloc::test {

namespace {

struct Credentials {
  std::vector<Bytes> certificates;
  Bytes private_key;
};

Credentials Make() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  CHECK(key != nullptr);
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const uint8_t*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
  Credentials out;
  out.certificates.emplace_back(static_cast<size_t>(i2d_X509(certificate, nullptr)));
  uint8_t* p = out.certificates[0].data();
  i2d_X509(certificate, &p);
  out.private_key.resize(static_cast<size_t>(i2d_PrivateKey(key, nullptr)));
  p = out.private_key.data();
  i2d_PrivateKey(key, &p);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return out;
}

}  // namespace

SslContext MakeContext() {
  static const Credentials credentials = Make();
  SslContext out;
  Error error = MakeSslContext(credentials.certificates, credentials.private_key, &out);
  CHECK(!error.failed());
  return out;
}

}  // namespace idloc::test
