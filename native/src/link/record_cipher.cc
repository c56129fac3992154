#include "link/record_cipher.h"

#include <cstring>

namespace idloc {

namespace {

constexpr size_t kNonceBytes = Aead::kNonceBytes;
static_assert(kNonceBytes == kFixedNonceBytes + kExplicitNonceBytes && Aead::kTagBytes == kTagBytes);
constexpr size_t kMaxAdditionalDataBytes = 23 + PeerConnectionId::kMaxBytes;
static_assert(PeerConnectionId::kMaxBytes >= kConnectionIdBytes);

// From the header of a record in place; `id_bytes` is the length of the connection ID in it. Returns how many
// bytes were written.
size_t FillAdditionalData(const uint8_t* header, size_t id_bytes, size_t inner_length, uint8_t* out) {
  if (header[0] != kContentConnectionId) {
    // RFC 5246 s6.2.3.3: epoch and sequence, type, version, length of the plaintext.
    std::memcpy(out, header + 3, 8);
    std::memcpy(out + 8, header, 3);
    StoreBe16(out + 11, static_cast<uint16_t>(inner_length));
    return 13;
  }
  // RFC 9146 s5.3: placeholder, type, length of the ID, then the header up to the ID, length of the plaintext
  // with its type.
  std::memset(out, 0xff, 8);
  out[8] = kContentConnectionId;
  out[9] = static_cast<uint8_t>(id_bytes);
  std::memcpy(out + 10, header, kConnectionIdOffset + id_bytes);
  StoreBe16(out + 10 + kConnectionIdOffset + id_bytes, static_cast<uint16_t>(inner_length));
  return 10 + kConnectionIdOffset + id_bytes + 2;
}

}  // namespace

bool RecordSealer::Init(const DirectionKeys& keys) {
  std::memcpy(fixed_nonce_, keys.fixed_nonce, kFixedNonceBytes);
  aead_ = NewAead(keys.key, keys.wide, Aead::Use::kSeal);
  return ready();
}

bool RecordSealer::Seal(uint8_t* record, size_t length, uint8_t type, uint16_t epoch, uint64_t sequence,
                        bool urgent) {
  size_t id_bytes = connection_id_.length;
  size_t header_bytes = kRecordHeaderBytes + id_bytes;
  uint8_t* text = record + header_bytes + kExplicitNonceBytes;
  record[0] = type;
  if (id_bytes != 0) {
    record[0] = kContentConnectionId;
    std::memcpy(record + kConnectionIdOffset, connection_id_.bytes, id_bytes);
    text[length++] = type;
  }
  StoreBe16(record + 1, kVersionDtls12);
  StoreBe64(record + 3, uint64_t{epoch} << 48 | sequence);
  StoreBe16(record + header_bytes - 2, static_cast<uint16_t>(length + kExplicitNonceBytes + kTagBytes));
  // RFC 5288 s3: the explicit part may be the sequence number; it is never used twice under one key.
  std::memcpy(record + header_bytes, record + 3, kExplicitNonceBytes);
  if (urgent) record[header_bytes] |= kUrgentNonceBit;

  uint8_t nonce[kNonceBytes];
  std::memcpy(nonce, fixed_nonce_, kFixedNonceBytes);
  std::memcpy(nonce + kFixedNonceBytes, record + header_bytes, kExplicitNonceBytes);
  uint8_t additional[kMaxAdditionalDataBytes];
  size_t additional_bytes = FillAdditionalData(record, id_bytes, length, additional);
  return aead_->Seal(nonce, additional, additional_bytes, text, length, text + length);
}

bool RecordOpener::Init(const DirectionKeys& keys) {
  std::memcpy(fixed_nonce_, keys.fixed_nonce, kFixedNonceBytes);
  aead_ = NewAead(keys.key, keys.wide, Aead::Use::kOpen);
  return ready();
}

bool RecordOpener::Open(const RecordView& record, Plaintext* out) {
  size_t id_bytes = record.has_connection_id() ? kConnectionIdBytes : 0;
  size_t header_bytes = kRecordHeaderBytes + id_bytes;
  RecordLayout layout = LayoutWith(id_bytes);
  if (record.length < layout.overhead || LoadBe16(record.data + 1) != kVersionDtls12) return false;
  size_t length = record.length - layout.plaintext_offset - kTagBytes;
  uint8_t nonce[kNonceBytes];
  std::memcpy(nonce, fixed_nonce_, kFixedNonceBytes);
  std::memcpy(nonce + kFixedNonceBytes, record.data + header_bytes, kExplicitNonceBytes);
  uint8_t additional[kMaxAdditionalDataBytes];
  size_t additional_bytes = FillAdditionalData(record.data, id_bytes, length, additional);
  uint8_t* text = record.data + layout.plaintext_offset;
  if (!aead_->Open(nonce, additional, additional_bytes, text, length, text + length)) return false;
  *out = {text, length, record.type};
  if (id_bytes == 0) return true;
  // RFC 9146 s3: zeros pad it, the last byte that is none is the type.
  while (out->length > 0 && text[out->length - 1] == 0) out->length--;
  if (out->length == 0) return false;
  out->type = text[--out->length];
  return true;
}

}  // namespace idloc
