#include "signature/p256_verifier.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <utility>

namespace idloc {

P256Verifier::Key P256Verifier::Read(const uint8_t* point) {
  struct FreeContext {
    void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  };
  std::unique_ptr<EVP_PKEY_CTX, FreeContext> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  char group[] = "prime256v1";
  std::vector<uint8_t> own(point, point + kPointBytes);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, own.data(), own.size()),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    return nullptr;
  return Key(key);
}

size_t P256Verifier::FreePlace() {
  if (places_.size() < kMostKeys) {
    places_.emplace_back();
    return places_.size() - 1;
  }
  while (std::exchange(places_[next_].used_again, false)) next_ = (next_ + 1) % kMostKeys;
  size_t place = std::exchange(next_, (next_ + 1) % kMostKeys);
  place_of_.erase(places_[place].name);
  return place;
}

EVP_PKEY* P256Verifier::KeyOf(const uint8_t* point) {
  std::string name(reinterpret_cast<const char*>(point), kPointBytes);
  auto found = place_of_.find(name);
  if (found != place_of_.end()) {
    Place& place = places_[found->second];
    place.used_again = true;
    return place.key.get();
  }
  Key key = Read(point);
  if (key == nullptr) return nullptr;
  size_t place = FreePlace();
  places_[place] = {name, std::move(key), false};
  place_of_.emplace(std::move(name), place);
  return places_[place].key.get();
}

bool P256Verifier::Verify(const uint8_t* point, const uint8_t* data, size_t length, const uint8_t* signature,
                          size_t signature_bytes) {
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  ERR_clear_error();
  EVP_PKEY* key = KeyOf(point);
  std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  bool verified = key != nullptr && context != nullptr &&
                  EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                  EVP_DigestVerify(context.get(), signature, signature_bytes, data, length) == 1;
  ERR_clear_error();
  return verified;
}

}  // namespace idloc
