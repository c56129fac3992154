#pragma once
// Seals and opens records of one direction in place. OpenSSL spends most of a record's time on setting up:
// one context a direction, only the nonce changes.
#include <openssl/evp.h>

#include <cstdint>
#include <memory>

#include "link/record_format.h"

namespace idloc {

struct CipherContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextFree>;

inline constexpr size_t kFixedNonceBytes = 4;

// Keys of one direction; wiped by whoever derived them.
struct DirectionKeys {
  const EVP_CIPHER* cipher;  // borrowed: static in OpenSSL
  const uint8_t* key;
  const uint8_t* fixed_nonce;
};

class RecordSealer {
 public:
  bool Init(const DirectionKeys& keys);
  bool ready() const { return context_ != nullptr; }
  // From now on records bear this connection ID; an empty one means plain records.
  void set_connection_id(const PeerConnectionId& id) { connection_id_ = id; }
  const PeerConnectionId& connection_id() const { return connection_id_; }
  RecordLayout layout() const { return LayoutWith(connection_id_.length); }
  // `record` has room for layout().overhead + length, the plaintext at layout().plaintext_offset. Writes the
  // whole record.
  bool Seal(uint8_t* record, size_t length, uint8_t type, uint16_t epoch, uint64_t sequence, bool urgent);

 private:
  CipherContext context_;
  uint8_t fixed_nonce_[kFixedNonceBytes] = {};
  PeerConnectionId connection_id_;
};

// What was in a record. Borrows from it.
struct Plaintext {
  uint8_t* data;
  size_t length;
  uint8_t type;  // the type proper
};

class RecordOpener {
 public:
  bool Init(const DirectionKeys& keys);
  bool ready() const { return context_ != nullptr; }
  // Decrypts in place. Takes both forms; which one is due is the caller's to check. False: not authentic or
  // without a type, the bytes are garbage now.
  bool Open(const RecordView& record, Plaintext* out);

 private:
  CipherContext context_;
  uint8_t fixed_nonce_[kFixedNonceBytes] = {};
};

}  // namespace idloc
