#pragma once
// DTLS 1.2 records (RFC 6347 s4.1) under AES-GCM (RFC 5288):
//
//   0        1        3        5               11       13           21           21+n      37+n
//   +--------+--------+--------+---------------+--------+------------+-------------+---------+
//   | type   | version| epoch  | sequence      | length | nonce part | ciphertext  | tag     |
//   +--------+--------+--------+---------------+--------+------------+-------------+---------+
//
// with a connection ID of c bytes (RFC 9146 s4) type is 25, the ID stands before the length, and the type
// proper is the last byte of the plaintext but for zeros (s3):
//
//   0        1        3        5               11         11+c     13+c         21+c             22+c+n
//   38+c+n
//   +--------+--------+--------+---------------+----------+--------+------------+----------------+-------+
//   | 25     | version| epoch  | sequence      | ID       | length | nonce part | ciphertext,type| tag   |
//   +--------+--------+--------+---------------+----------+--------+------------+----------------+-------+
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "link/connection_id.h"

namespace idloc {

inline constexpr size_t kRecordEpochOffset = 3;
inline constexpr size_t kRecordHeaderBytes = 13;
inline constexpr size_t kConnectionIdOffset = 11;
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
inline constexpr RecordLayout LayoutWith(size_t connection_id_bytes) {
  size_t offset = kRecordHeaderBytes + connection_id_bytes + kExplicitNonceBytes;
  size_t inner_type = connection_id_bytes == 0 ? 0 : 1;
  return {offset, offset + inner_type + kTagBytes};
}
// For buffers. The least offset is the room for a vnet header in front of a received packet.
inline constexpr size_t kMinPlaintextOffset = LayoutWith(0).plaintext_offset;
inline constexpr size_t kMaxRecordOverhead = LayoutWith(PeerConnectionId::kMaxBytes).overhead;

// RFC 5246 s6.2.3: the ciphertext's length.
inline constexpr size_t kMaxRecordBytes = kRecordHeaderBytes + (1 << 14) + 2048;

inline constexpr uint8_t kContentChangeCipherSpec = 20;
inline constexpr uint8_t kContentAlert = 21;
inline constexpr uint8_t kContentHandshake = 22;
inline constexpr uint8_t kContentApplicationData = 23;
inline constexpr uint8_t kContentConnectionId = 25;
inline constexpr uint16_t kVersionDtls12 = 0xfefd;

// Handshake message header (RFC 6347 s4.2.2) and the fixed start of a ClientHello.
inline constexpr uint8_t kHandshakeClientHello = 1;
inline constexpr uint8_t kHandshakeFinished = 20;
inline constexpr size_t kHandshakeHeaderBytes = 12;
inline constexpr size_t kHelloRandomOffset = kRecordHeaderBytes + kHandshakeHeaderBytes + 2;
inline constexpr size_t kHelloRandomBytes = 32;
// With several key shares of post-quantum kind it has some kilobytes.
inline constexpr size_t kMaxClientHelloBytes = 8 * 1024;

struct RecordView {
  uint8_t* data;  // borrowed from the receive buffer
  size_t length;  // with header
  uint8_t type;   // as on the wire: kContentConnectionId hides the type proper
  uint16_t epoch;
  uint64_t sequence;  // 48 bits

  bool has_connection_id() const { return type == kContentConnectionId; }
  ConnectionId connection_id() const {
    ConnectionId id;
    std::memcpy(id.data(), data + kConnectionIdOffset, kConnectionIdBytes);
    return id;
  }
};

// Takes the first record off `data`, which came to us: a connection ID has the length of ours. False: no
// complete record is left.
inline bool NextRecord(uint8_t* data, size_t length, RecordView* out) {
  if (length < kRecordHeaderBytes || data[1] != 0xfe) return false;
  size_t header = kRecordHeaderBytes + (data[0] == kContentConnectionId ? kConnectionIdBytes : 0);
  if (length < header) return false;
  size_t record = header + LoadBe16(data + header - 2);
  if (record > length) return false;
  uint64_t number = LoadBe64(data + 3);
  *out = {data, record, data[0], static_cast<uint16_t>(number >> 48), number & 0xffff'ffff'ffff};
  return true;
}

// A piece of a ClientHello, or all of it.
inline bool IsClientHello(const RecordView& record) {
  return record.type == kContentHandshake && record.epoch == 0 && record.length > kRecordHeaderBytes &&
         record.data[kRecordHeaderBytes] == kHandshakeClientHello;
}

// Of a handshake message whose header is whole (RFC 6347 s4.2.2): the length of all its pieces, and of those
// before this one.
inline size_t MessageLength(const RecordView& record) {
  return LoadBe32(record.data + kRecordHeaderBytes) & 0xff'ffff;
}
inline size_t FragmentOffset(const RecordView& record) {
  return LoadBe32(record.data + kRecordHeaderBytes + 5) & 0xff'ffff;
}
inline bool IsLaterPiece(const RecordView& record) {
  return record.length >= kRecordHeaderBytes + kHandshakeHeaderBytes && FragmentOffset(record) != 0;
}

// What a ClientHello says before any state exists for it. Pointers borrow from the record.
struct ClientHelloView {
  const uint8_t* random;
  bool has_cookie;
};

// A whole ClientHello or its first piece, which has to reach to the cookie: nothing is kept of a stranger's
// to put pieces together.
inline bool ParseClientHello(const RecordView& record, ClientHelloView* out) {
  const uint8_t* p = record.data;
  size_t n = record.length;
  size_t session = kHelloRandomOffset + kHelloRandomBytes;
  if (!IsClientHello(record) || n < session + 1) return false;
  if (FragmentOffset(record) != 0 || MessageLength(record) > kMaxClientHelloBytes) return false;
  size_t cookie = session + 1 + p[session];
  if (n < cookie + 1) return false;
  out->random = p + kHelloRandomOffset;
  out->has_cookie = p[cookie] != 0;
  return true;
}

}  // namespace idloc
