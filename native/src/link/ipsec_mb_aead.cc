#include "link/aead.h"

#ifdef IDLOC_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include <atomic>
#include <cstring>
#include <vector>

namespace idloc {

namespace {

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

// Expanded keys of one thread. One has a kilobyte and takes 0.2 us to make, every link has two, and most
// links carry nothing: those that were used lately are kept.
class ExpandedKeys {
 public:
  // nullptr: it has used none yet, or has ended.
  static ExpandedKeys* OfThisThread() { return of_this_thread_; }
  static ExpandedKeys* Make() {
    // Ends with the thread.
    thread_local std::unique_ptr<ExpandedKeys> owner;
    if (owner == nullptr) owner.reset(new ExpandedKeys());
    return of_this_thread_ = owner.get();
  }
  ~ExpandedKeys() {
    of_this_thread_ = nullptr;
    for (auto& slot : slots_) OPENSSL_cleanse(&slot->key, sizeof slot->key);
  }

  // `at`: where the owner has it, if it still does. nullptr: it is to be expanded anew, into what Take gives.
  // Borrowed until the next Take.
  const gcm_key_data* Find(uint64_t owner, uint32_t at) const {
    return at < slots_.size() && slots_[at]->owner == owner ? &slots_[at]->key : nullptr;
  }
  gcm_key_data* Take(uint64_t owner, uint32_t* at) {
    if (!free_.empty()) {
      *at = free_.back();
      free_.pop_back();
    } else if (slots_.size() < kMost) {
      *at = static_cast<uint32_t>(slots_.size());
      slots_.push_back(std::make_unique<Slot>());
    } else {
      *at = next_;
      next_ = (next_ + 1) % kMost;
    }
    slots_[*at]->owner = owner;
    return &slots_[*at]->key;
  }
  void Forget(uint64_t owner, uint32_t at) {
    if (Find(owner, at) == nullptr) return;
    OPENSSL_cleanse(&slots_[at]->key, sizeof slots_[at]->key);
    slots_[at]->owner = kNobody;
    free_.push_back(at);
  }

 private:
  static constexpr uint32_t kMost = 512;
  static constexpr uint64_t kNobody = 0;
  struct Slot {
    // Its own declaration says so only when LINUX is defined.
    alignas(64) gcm_key_data key;
    uint64_t owner = kNobody;
  };

  ExpandedKeys() = default;

  static thread_local ExpandedKeys* of_this_thread_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<uint32_t> free_;
  uint32_t next_ = 0;  // gives way next
};

thread_local ExpandedKeys* ExpandedKeys::of_this_thread_ = nullptr;

template <bool kWide>
class IpsecMbAead : public Aead {
 public:
  explicit IpsecMbAead(const uint8_t* key) { std::memcpy(key_, key, sizeof key_); }
  ~IpsecMbAead() override {
    // Another thread than the one that used it has nothing of it, and that one has ended.
    ExpandedKeys* kept = ExpandedKeys::OfThisThread();
    if (kept != nullptr) kept->Forget(id_, slot_);
    OPENSSL_cleanse(key_, sizeof key_);
  }

  bool Seal(const uint8_t* nonce, const uint8_t* additional, size_t additional_bytes, uint8_t* text,
            size_t length, uint8_t* tag) override {
    gcm_context_data context;
    const gcm_key_data* key = Expanded();
    if constexpr (kWide) {
      IMB_AES256_GCM_ENC(Manager(), key, &context, text, text, length, nonce, additional, additional_bytes,
                         tag, kTagBytes);
    } else {
      IMB_AES128_GCM_ENC(Manager(), key, &context, text, text, length, nonce, additional, additional_bytes,
                         tag, kTagBytes);
    }
    return true;
  }

  bool Open(const uint8_t* nonce, const uint8_t* additional, size_t additional_bytes, uint8_t* text,
            size_t length, const uint8_t* tag) override {
    gcm_context_data context;
    uint8_t right[kTagBytes];
    const gcm_key_data* key = Expanded();
    if constexpr (kWide) {
      IMB_AES256_GCM_DEC(Manager(), key, &context, text, text, length, nonce, additional, additional_bytes,
                         right, kTagBytes);
    } else {
      IMB_AES128_GCM_DEC(Manager(), key, &context, text, text, length, nonce, additional, additional_bytes,
                         right, kTagBytes);
    }
    return CRYPTO_memcmp(right, tag, kTagBytes) == 0;
  }

 private:
  // Never used twice: what another owner had expanded is not taken for this one's.
  static uint64_t NextId() {
    static std::atomic<uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
  }

  const gcm_key_data* Expanded() {
    ExpandedKeys* kept = ExpandedKeys::OfThisThread();
    if (kept == nullptr) kept = ExpandedKeys::Make();
    const gcm_key_data* found = kept->Find(id_, slot_);
    if (found != nullptr) [[likely]]
      return found;
    gcm_key_data* made = kept->Take(id_, &slot_);
    if constexpr (kWide) {
      IMB_AES256_GCM_PRE(Manager(), key_, made);
    } else {
      IMB_AES128_GCM_PRE(Manager(), key_, made);
    }
    return made;
  }

  uint8_t key_[kWide ? 32 : 16];
  uint32_t slot_ = UINT32_MAX;
  const uint64_t id_ = NextId();
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
