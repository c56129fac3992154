#pragma once
// Seals and opens records of one direction in place: header, nonce and additional data (RFC 5288, RFC 9146).
#include <cstdint>
#include <memory>

#include "link/aead.h"
#include "link/record_format.h"

namespace idloc {

inline constexpr size_t kFixedNonceBytes = 4;

// Keys of one direction; wiped by whoever derived them.
struct DirectionKeys {
  bool wide;  // AES-256, not AES-128
  const uint8_t* key;
  const uint8_t* fixed_nonce;
};

class RecordSealer {
 public:
  bool Init(const DirectionKeys& keys);
  bool ready() const { return aead_ != nullptr; }
  // From now on records bear this connection ID; an empty one means plain records.
  void set_connection_id(const PeerConnectionId& id) { connection_id_ = id; }
  const PeerConnectionId& connection_id() const { return connection_id_; }
  RecordLayout layout() const { return LayoutWith(connection_id_.length); }
  // `record` has room for layout().overhead + length, the plaintext at layout().plaintext_offset. Writes the
  // whole record.
  bool Seal(uint8_t* record, size_t length, uint8_t type, uint16_t epoch, uint64_t sequence, bool urgent);

 private:
  std::unique_ptr<Aead> aead_;
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
  bool ready() const { return aead_ != nullptr; }
  // Decrypts in place. Takes both forms; which one is due is the caller's to check. False: not authentic or
  // without a type, the bytes are garbage now.
  bool Open(const RecordView& record, Plaintext* out);

 private:
  std::unique_ptr<Aead> aead_;
  uint8_t fixed_nonce_[kFixedNonceBytes] = {};
};

}  // namespace idloc
