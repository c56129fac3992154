#include "link/record_cipher.h"

#include <cstring>

namespace idloc {

namespace {

constexpr size_t kNonceBytes = kFixedNonceBytes + kExplicitNonceBytes;
constexpr size_t kAdditionalDataBytes = 13;

// RFC 5246 s6.2.3.3: epoch and sequence, type, version, length of the plaintext.
void FillAdditionalData(const uint8_t* header, size_t length, uint8_t* out) {
  std::memcpy(out, header + 3, 8);
  std::memcpy(out + 8, header, 3);
  StoreBe16(out + 11, static_cast<uint16_t>(length));
}

CipherContext MakeContext(const DirectionKeys& keys, int encrypt) {
  CipherContext context(EVP_CIPHER_CTX_new());
  if (context == nullptr ||
      EVP_CipherInit_ex2(context.get(), keys.cipher, keys.key, nullptr, encrypt, nullptr) != 1) {
    return nullptr;
  }
  return context;
}

}  // namespace

bool RecordSealer::Init(const DirectionKeys& keys) {
  std::memcpy(fixed_nonce_, keys.fixed_nonce, kFixedNonceBytes);
  context_ = MakeContext(keys, 1);
  return ready();
}

bool RecordSealer::Seal(uint8_t* record, size_t length, uint8_t type, uint16_t epoch, uint64_t sequence,
                        bool urgent) {
  record[0] = type;
  StoreBe16(record + 1, kVersionDtls12);
  StoreBe64(record + 3, uint64_t{epoch} << 48 | sequence);
  StoreBe16(record + 11, static_cast<uint16_t>(length + kExplicitNonceBytes + kTagBytes));
  // RFC 5288 s3: the explicit part may be the sequence number; it is never used twice under one key.
  std::memcpy(record + kRecordHeaderBytes, record + 3, kExplicitNonceBytes);
  if (urgent) record[kRecordHeaderBytes] |= kUrgentNonceBit;

  uint8_t nonce[kNonceBytes];
  std::memcpy(nonce, fixed_nonce_, kFixedNonceBytes);
  std::memcpy(nonce + kFixedNonceBytes, record + kRecordHeaderBytes, kExplicitNonceBytes);
  uint8_t additional[kAdditionalDataBytes];
  FillAdditionalData(record, length, additional);

  EVP_CIPHER_CTX* context = context_.get();
  uint8_t* text = record + layout().plaintext_offset;
  int written = 0;
  return EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce, nullptr) == 1 &&
         EVP_EncryptUpdate(context, nullptr, &written, additional, kAdditionalDataBytes) == 1 &&
         EVP_EncryptUpdate(context, text, &written, text, static_cast<int>(length)) == 1 &&
         EVP_EncryptFinal_ex(context, text + length, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, text + length) == 1;
}

bool RecordOpener::Init(const DirectionKeys& keys) {
  std::memcpy(fixed_nonce_, keys.fixed_nonce, kFixedNonceBytes);
  context_ = MakeContext(keys, 0);
  return ready();
}

bool RecordOpener::Open(const RecordView& record, size_t* plaintext_length) {
  if (record.length < layout().overhead || LoadBe16(record.data + 1) != kVersionDtls12) return false;
  size_t length = record.length - layout().overhead;
  uint8_t nonce[kNonceBytes];
  std::memcpy(nonce, fixed_nonce_, kFixedNonceBytes);
  std::memcpy(nonce + kFixedNonceBytes, record.data + kRecordHeaderBytes, kExplicitNonceBytes);
  uint8_t additional[kAdditionalDataBytes];
  FillAdditionalData(record.data, length, additional);

  EVP_CIPHER_CTX* context = context_.get();
  uint8_t* text = record.data + layout().plaintext_offset;
  int written = 0;
  *plaintext_length = length;
  return EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce, nullptr) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, text + length) == 1 &&
         EVP_DecryptUpdate(context, nullptr, &written, additional, kAdditionalDataBytes) == 1 &&
         EVP_DecryptUpdate(context, text, &written, text, static_cast<int>(length)) == 1 &&
         EVP_DecryptFinal_ex(context, text + length, &written) == 1;
}

}  // namespace idloc
