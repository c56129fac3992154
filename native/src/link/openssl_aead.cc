// One context a key: setting it up costs more than a record, so only the nonce changes.
#include <openssl/evp.h>

#include "link/aead.h"

namespace idloc {

namespace {

struct CipherContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextFree>;

class OpensslAead : public Aead {
 public:
  explicit OpensslAead(CipherContext context) : context_(std::move(context)) {}

  bool Seal(const uint8_t* nonce, const uint8_t* additional, size_t additional_bytes, uint8_t* text,
            size_t length, uint8_t* tag) override {
    EVP_CIPHER_CTX* context = context_.get();
    int written = 0;
    return EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce, nullptr) == 1 &&
           EVP_EncryptUpdate(context, nullptr, &written, additional, static_cast<int>(additional_bytes)) ==
               1 &&
           EVP_EncryptUpdate(context, text, &written, text, static_cast<int>(length)) == 1 &&
           EVP_EncryptFinal_ex(context, text + length, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1;
  }

  bool Open(const uint8_t* nonce, const uint8_t* additional, size_t additional_bytes, uint8_t* text,
            size_t length, const uint8_t* tag) override {
    EVP_CIPHER_CTX* context = context_.get();
    int written = 0;
    return EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce, nullptr) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, const_cast<uint8_t*>(tag)) == 1 &&
           EVP_DecryptUpdate(context, nullptr, &written, additional, static_cast<int>(additional_bytes)) ==
               1 &&
           EVP_DecryptUpdate(context, text, &written, text, static_cast<int>(length)) == 1 &&
           EVP_DecryptFinal_ex(context, text + length, &written) == 1;
  }

 private:
  CipherContext context_;
};

}  // namespace

std::unique_ptr<Aead> NewOpensslAead(const uint8_t* key, bool wide, Aead::Use use) {
  CipherContext context(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* cipher = wide ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
  if (context == nullptr || EVP_CipherInit_ex2(context.get(), cipher, key, nullptr,
                                               use == Aead::Use::kSeal ? 1 : 0, nullptr) != 1) {
    return nullptr;
  }
  return std::make_unique<OpensslAead>(std::move(context));
}

}  // namespace idloc
