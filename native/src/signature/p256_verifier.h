#pragma once
// ECDSA with P-256 and SHA-256, the signatures of members (RFC 6940 s6.3.4). A key as an object of Node's
// takes 3 KB, and the garbage collector lets go of many in long pauses; here those that are used are kept, up
// to a bound, and nothing else.
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace idloc {

class P256Verifier {
 public:
  // Of a point, not compressed (SEC 1 s2.3.3).
  static constexpr size_t kPointBytes = 65;
  static constexpr size_t kMostKeys = 512;

  // `signature` is DER. False, too, where `point` is none of the curve.
  bool Verify(const uint8_t* point, const uint8_t* data, size_t length, const uint8_t* signature,
              size_t signature_bytes);
  size_t kept() const { return place_of_.size(); }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;

  static Key Read(const uint8_t* point);
  EVP_PKEY* KeyOf(const uint8_t* point);
  // Where all are taken, that of a key that was not used since it was looked at last.
  size_t FreePlace();

  struct Place {
    std::string name;
    Key key;
    bool used_again = false;
  };
  std::vector<Place> places_;
  std::unordered_map<std::string, size_t> place_of_;
  size_t next_ = 0;
};

}  // namespace idloc
