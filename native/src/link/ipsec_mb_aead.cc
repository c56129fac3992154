#include "link/aead.h"

#ifdef IDLOC_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

namespace idloc {

namespace {

static_assert(sizeof(gcm_key_data) <= 1152, "every link has two of them");

// Never freed. Its functions for GCM change nothing in it, so threads may share it.
IMB_MGR* Manager() {
  static IMB_MGR* const manager = []() -> IMB_MGR* {
    constexpr uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_AVX2;
    if ((imb_get_feature_flags() & kNeeded) != kNeeded) return nullptr;
    IMB_MGR* made = alloc_mb_mgr(0);
    if (made == nullptr) return nullptr;
    init_mb_mgr_auto(made, nullptr);
    if (imb_get_errno(made) == 0) return made;
    free_mb_mgr(made);
    return nullptr;
  }();
  return manager;
}

template <bool kWide>
class IpsecMbAead : public Aead {
 public:
  explicit IpsecMbAead(const uint8_t* key) {
    if constexpr (kWide) {
      IMB_AES256_GCM_PRE(Manager(), key, &key_);
    } else {
      IMB_AES128_GCM_PRE(Manager(), key, &key_);
    }
  }
  ~IpsecMbAead() override { OPENSSL_cleanse(&key_, sizeof key_); }

  bool Seal(const uint8_t* nonce, const uint8_t* additional, size_t additional_bytes, uint8_t* text,
            size_t length, uint8_t* tag) override {
    gcm_context_data context;
    if constexpr (kWide) {
      IMB_AES256_GCM_ENC(Manager(), &key_, &context, text, text, length, nonce, additional, additional_bytes,
                         tag, kTagBytes);
    } else {
      IMB_AES128_GCM_ENC(Manager(), &key_, &context, text, text, length, nonce, additional, additional_bytes,
                         tag, kTagBytes);
    }
    return true;
  }

  bool Open(const uint8_t* nonce, const uint8_t* additional, size_t additional_bytes, uint8_t* text,
            size_t length, const uint8_t* tag) override {
    gcm_context_data context;
    uint8_t right[kTagBytes];
    if constexpr (kWide) {
      IMB_AES256_GCM_DEC(Manager(), &key_, &context, text, text, length, nonce, additional, additional_bytes,
                         right, kTagBytes);
    } else {
      IMB_AES128_GCM_DEC(Manager(), &key_, &context, text, text, length, nonce, additional, additional_bytes,
                         right, kTagBytes);
    }
    return CRYPTO_memcmp(right, tag, kTagBytes) == 0;
  }

 private:
  // Its own declaration says so only when LINUX is defined.
  alignas(64) gcm_key_data key_;
};

}  // namespace

bool HasIpsecMb() { return Manager() != nullptr; }

std::unique_ptr<Aead> NewIpsecMbAead(const uint8_t* key, bool wide) {
  if (!HasIpsecMb()) return nullptr;
  if (wide) return std::make_unique<IpsecMbAead<true>>(key);
  return std::make_unique<IpsecMbAead<false>>(key);
}

}  // namespace idloc

#else

namespace idloc {

bool HasIpsecMb() { return false; }
std::unique_ptr<Aead> NewIpsecMbAead(const uint8_t*, bool) { return nullptr; }

}  // namespace idloc

#endif
