#pragma once
// DTLS 1.2 records (RFC 6347 s4.1) under AES-GCM (RFC 5288):
//
//   0        1        3        5               11       13           21           21+n      37+n
//   +--------+--------+--------+---------------+--------+------------+-------------+---------+
//   | type   | version| epoch  | sequence      | length | nonce part | ciphertext  | tag     |
//   +--------+--------+--------+---------------+--------+------------+-------------+---------+
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace idloc {

inline constexpr size_t kRecordEpochOffset = 3;
inline constexpr size_t kRecordHeaderBytes = 13;
inline constexpr size_t kExplicitNonceBytes = 8;
// In the first byte of the explicit nonce, which its sender chooses (RFC 5288 s3): epoch and sequence number
// make it unique, this bit tells the kernel of the receiver that the record must not wait behind others.
inline constexpr uint8_t kUrgentNonceBit = 0x80;
inline constexpr size_t kTagBytes = 16;

// What surrounds the plaintext of a record. Each direction of each association has its own.
struct RecordLayout {
  size_t plaintext_offset;
  size_t overhead;  // record length less plaintext length
};
inline constexpr RecordLayout kPlainLayout = {kRecordHeaderBytes + kExplicitNonceBytes,
                                              kRecordHeaderBytes + kExplicitNonceBytes + kTagBytes};
// For buffers.
inline constexpr size_t kMaxRecordOverhead = kPlainLayout.overhead;

// RFC 5246 s6.2.3: the ciphertext's length.
inline constexpr size_t kMaxRecordBytes = kRecordHeaderBytes + (1 << 14) + 2048;

inline constexpr uint8_t kContentChangeCipherSpec = 20;
inline constexpr uint8_t kContentAlert = 21;
inline constexpr uint8_t kContentHandshake = 22;
inline constexpr uint8_t kContentApplicationData = 23;
inline constexpr uint16_t kVersionDtls12 = 0xfefd;

// Handshake message header (RFC 6347 s4.2.2) and the fixed start of a ClientHello.
inline constexpr uint8_t kHandshakeClientHello = 1;
inline constexpr uint8_t kHandshakeFinished = 20;
inline constexpr size_t kHandshakeHeaderBytes = 12;
inline constexpr size_t kHelloRandomOffset = kRecordHeaderBytes + kHandshakeHeaderBytes + 2;
inline constexpr size_t kHelloRandomBytes = 32;

struct RecordView {
  uint8_t* data;  // borrowed from the receive buffer
  size_t length;  // with header
  uint8_t type;
  uint16_t epoch;
  uint64_t sequence;  // 48 bits
};

// Takes the first record off `data`. False: no complete record is left.
inline bool NextRecord(uint8_t* data, size_t length, RecordView* out) {
  if (length < kRecordHeaderBytes) return false;
  size_t record = kRecordHeaderBytes + LoadBe16(data + 11);
  if (record > length || data[1] != 0xfe) return false;
  uint64_t number = LoadBe64(data + 3);
  *out = {data, record, data[0], static_cast<uint16_t>(number >> 48), number & 0xffff'ffff'ffff};
  return true;
}

// What a ClientHello says before any state exists for it. Pointers borrow from the record.
struct ClientHelloView {
  const uint8_t* random;
  bool has_cookie;
};

inline bool ParseClientHello(const RecordView& record, ClientHelloView* out) {
  const uint8_t* p = record.data;
  size_t n = record.length;
  if (record.type != kContentHandshake || record.epoch != 0) return false;
  size_t session = kHelloRandomOffset + kHelloRandomBytes;
  if (n < session + 1 || p[kRecordHeaderBytes] != kHandshakeClientHello) return false;
  size_t cookie = session + 1 + p[session];
  if (n < cookie + 1) return false;
  out->random = p + kHelloRandomOffset;
  out->has_cookie = p[cookie] != 0;
  return true;
}

}  // namespace idloc
