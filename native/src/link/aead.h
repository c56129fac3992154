#pragma once
// AES-GCM under one key, for one direction of one thread. Two implementations write the same bytes:
//   openssl_aead    everywhere: EVP of node's OpenSSL
//   ipsec_mb_aead   x86-64 with AVX2, when the addon was built with intel-ipsec-mb. A record costs it half of
//   what it
//                   costs EVP, whose general interface takes as long as the cipher: `scripts/bench throughput
//                   --who idloc,idloc-openssl` shows what that makes end to end.
#include <cstddef>
#include <cstdint>
#include <memory>

namespace idloc {

class Aead {
 public:
  static constexpr size_t kNonceBytes = 12;
  static constexpr size_t kTagBytes = 16;

  enum class Use : uint8_t { kSeal, kOpen };

  virtual ~Aead() = default;
  // Encrypts `text` in place and writes kTagBytes to `tag`.
  virtual bool Seal(const uint8_t* nonce, const uint8_t* additional, size_t additional_bytes, uint8_t* text,
                    size_t length, uint8_t* tag) = 0;
  // Decrypts `text` in place. False: not authentic, `text` is garbage now.
  virtual bool Open(const uint8_t* nonce, const uint8_t* additional, size_t additional_bytes, uint8_t* text,
                    size_t length, const uint8_t* tag) = 0;
};

// `key`: 16 bytes, or 32 when `wide`. The faster one of this machine, or what the environment's IDLOC_AEAD
// (openssl, ipsec-mb) names when it is there; nullptr: out of memory.
std::unique_ptr<Aead> NewAead(const uint8_t* key, bool wide, Aead::Use use);
// The name of what NewAead takes.
const char* AeadName();

std::unique_ptr<Aead> NewOpensslAead(const uint8_t* key, bool wide, Aead::Use use);
// nullptr: not built in, or the processor is not one for it.
std::unique_ptr<Aead> NewIpsecMbAead(const uint8_t* key, bool wide);
bool HasIpsecMb();

}  // namespace idloc
