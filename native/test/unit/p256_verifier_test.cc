// Signatures of members, and how many of their keys are kept.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <array>
#include <vector>

#include "signature/p256_verifier.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

struct Signer {
  std::array<uint8_t, P256Verifier::kPointBytes> point{};
  std::vector<uint8_t> signature;
};

Signer SignerOf(const std::vector<uint8_t>& data) {
  Signer out;
  EVP_PKEY* key = EVP_EC_gen("prime256v1");
  size_t bytes = 0;
  CHECK(key != nullptr && EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out.point.data(),
                                                          out.point.size(), &bytes) == 1);
  CHECK(bytes == out.point.size());
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  CHECK(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key) == 1);
  CHECK(EVP_DigestSign(context, nullptr, &bytes, data.data(), data.size()) == 1);
  out.signature.resize(bytes);
  CHECK(EVP_DigestSign(context, out.signature.data(), &bytes, data.data(), data.size()) == 1);
  out.signature.resize(bytes);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return out;
}

}  // namespace

TEST("of however many members that sign, the keys of a bounded number are kept; those of all verify") {
  const std::vector<uint8_t> data(100, 7);
  P256Verifier verifier;
  auto verify = [&](const Signer& signer) {
    return verifier.Verify(signer.point.data(), data.data(), data.size(), signer.signature.data(),
                           signer.signature.size());
  };
  std::vector<Signer> signers;
  for (size_t i = 0; i < P256Verifier::kMostKeys + 20; i++) {
    signers.push_back(SignerOf(data));
    CHECK(verify(signers.back()));
    CHECK(verifier.kept() <= P256Verifier::kMostKeys);
  }
  CHECK(verifier.kept() == P256Verifier::kMostKeys);
  for (const Signer& signer : signers) CHECK(verify(signer));
  CHECK(verifier.kept() == P256Verifier::kMostKeys);
  Signer mixed = signers[0];
  mixed.signature = signers[1].signature;
  CHECK(!verify(mixed));
}

TEST("what is no point of the curve verifies nothing, and no key is kept for it") {
  const std::vector<uint8_t> data(100, 7);
  Signer signer = SignerOf(data);
  P256Verifier verifier;
  signer.point[40] ^= 1;
  CHECK(!verifier.Verify(signer.point.data(), data.data(), data.size(), signer.signature.data(),
                         signer.signature.size()));
  CHECK(verifier.kept() == 0);
}

}  // namespace idloc::test
