#pragma once
// One DTLS 1.2 association, sans-IO: records in, datagrams out through a callback, time as an argument.
// OpenSSL makes the handshake; records of epoch 1 are sealed and opened here, under the keys it agreed on.
//
//   OpenSSL --(BIO)--> records of epoch 0: unchanged
//                      records of epoch 1: opened, sealed again with our counter --> out
// One counter numbers everything of epoch 1, Finished and its repeats included, so that no number is used
// twice. When the handshake is done, nothing goes to OpenSSL any more. It knows nothing of connection IDs
// (RFC 9146) but the extension that we add; what bears one is brought to the plain form for it, and from
// there.
#include <openssl/ssl.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "link/connection_id.h"
#include "link/dtls_context.h"
#include "link/record_cipher.h"
#include "link/replay_window.h"

namespace idloc {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

namespace test {
class SessionAger;
}

class DtlsSession {
 public:
  enum class State { kHandshaking, kConnected, kFailed };

  // Sends one datagram of the handshake. `owner` is whatever the caller of Create passed.
  using Output = void (*)(void* owner, const uint8_t* data, size_t length);

  // Handshake datagrams stay below this; every path carries it, also one through a relaying peer
  // (relay/hop.h).
  static constexpr size_t kHandshakeMtu = 1160;

  // `own_id`: offered to the peer, which then puts it into its records; nullptr: no connection IDs.
  static std::unique_ptr<DtlsSession> Create(SSL_CTX* context, bool server, const ConnectionId* own_id,
                                             Output output, void* owner);
  // For the same peer, role and connection IDs as `before`, with the epoch after its own: whoever made this
  // end's handshake has to present the same key. Its flights go inside `before`, so they are shorter. nullptr
  // too when there is no further epoch.
  static std::unique_ptr<DtlsSession> CreateSuccessor(SSL_CTX* context, const DtlsSession& before,
                                                      Output output, void* owner);
  DtlsSession(const DtlsSession&) = delete;
  DtlsSession& operator=(const DtlsSession&) = delete;
  ~DtlsSession();

  // The cookie, the extension connection_id, the peer's certificate.
  static bool InstallCallbacks(SSL_CTX* context);

  State state() const { return state_; }
  // Both ends have connection IDs, so that records are told apart wherever they come from.
  bool told_apart_by_ids() const { return own_id_.has_value() && peer_has_ids_ && peer_id_.length > 0; }
  // nullptr: none was offered.
  const ConnectionId* own_id() const { return own_id_.has_value() ? &*own_id_ : nullptr; }
  const std::string& failure() const { return failure_; }

  // Client: sends the first flight. Server: nothing to do yet.
  void Start() { Advance(); }
  // Answers a ClientHello by a cookie, or takes the one that brings the right cookie (then go on with Start).
  // The first piece of one is enough; the others then come as any handshake record. True: verified.
  bool ListenTo(const RecordView& record, const Endpoint& remote, CookieJar* jar, Nanoseconds now);
  // One record while handshaking. Borrows the bytes during the call.
  void HandleHandshakeRecord(const RecordView& record);
  // Absolute time of the next retransmission, kNever when none is due.
  Nanoseconds NextTimeout(Nanoseconds now) const;
  void HandleTimeout();

  // Of the records after the handshake. A successor has another than the association before it.
  uint16_t epoch() const { return epoch_; }
  // Records under the keys of the busier direction.
  uint64_t records() const { return std::max(send_sequence_, window_.next()); }
  // Nothing can be sent any more, or so much was forged that one more might pass.
  bool used_up() const { return send_sequence_ >= kMaxRecords || forged_ >= kMaxForged; }

  // A record of that epoch on a connected association.
  enum class Opened { kApplicationData, kClosed, kNothing, kBad, kReplayed };
  // `newest`: no record that came before has a higher number.
  Opened OpenRecord(const RecordView& record, Plaintext* out, bool* newest);
  // Where plaintext lies in the records that we send; fixed once there are keys.
  RecordLayout send_layout() const { return sealer_.layout(); }
  // Writes a whole record around `length` bytes that lie at record + plaintext_offset already.
  // `urgent`: the peer's kernel may let it overtake others.
  bool SealRecord(uint8_t* record, size_t length, uint8_t type, bool urgent = false);
  // A close_notify record into `out`; its length, 0 when there are no keys yet.
  static constexpr size_t kAlertBytes = 2;
  static constexpr size_t kMaxAlertRecordBytes = kMaxRecordOverhead + kAlertBytes;
  size_t alert_record_bytes() const { return send_layout().overhead + kAlertBytes; }
  size_t MakeCloseNotify(uint8_t* out);

  // DER, leaf first.
  std::vector<std::vector<uint8_t>> PeerCertificates() const;
  // RFC 5705; 32 bytes.
  static constexpr size_t kExporterBytes = 32;
  std::vector<uint8_t> Exporter() const;
  // Whether this server's handshake began with that client random: a retransmission, not a new start.
  bool HasClientRandom(const uint8_t* random) const;
  // Whether this client has had no answer but the request for a cookie.
  bool AwaitsAnswer() const;
  // This client's ClientHello and one with that random have crossed: both ends see alike which is the
  // smaller.
  bool HasSmallerRandom(const uint8_t* random) const;
  // Application data of the peer that overtook the end of the handshake, oldest first: the peer was done, and
  // its last flight got lost or came later. To be handled once connected, not before.
  std::vector<std::vector<uint8_t>> TakeOvertaking();
  // Connected, and what the handshake has told was taken: frees OpenSSL's state, which is ten times as large
  // as all the rest. PeerCertificates and Exporter are not asked for again.
  void ReleaseHandshake();

 private:
  friend class test::SessionAger;

  // Repeats of Finished that are answered after the handshake: a peer that lost our last flight needs a few.
  static constexpr int kMaxLateHandshakeRecords = 8;
  // RFC 6347 s4.2.2: header; RFC 5246 s7.4.9: verify_data of the suites offered here.
  static constexpr size_t kFinishedBytes = kHandshakeHeaderBytes + 12;
  // RFC 8446 s5.5: 2^24.5 records of 2^14 bytes under one key of AES-GCM. Ours have at most 9,216.
  static constexpr uint64_t kMaxRecords = uint64_t{1} << 25;
  // RFC 9147 s4.5.3.
  static constexpr uint64_t kMaxForged = uint64_t{1} << 36;
  // Above it, the nonce would not be unique: its first bit is kUrgentNonceBit.
  static constexpr uint16_t kMaxEpoch = 0x7fff;
  static constexpr long kSuccessorMtu = 1100;
  static constexpr size_t kKeyDigestBytes = 32;

  DtlsSession(bool server, Output output, void* owner) : server_(server), output_(output), owner_(owner) {}

  static BIO_METHOD* BioMethod();
  static int BioRead(BIO* bio, char* data, int length);
  static int BioWrite(BIO* bio, const char* data, int length);
  static long BioControl(BIO* bio, int command, long number, void* pointer);
  static int MakeCookie(SSL* ssl, unsigned char* cookie, unsigned* length);
  static int VerifyCookie(SSL* ssl, const unsigned char* cookie, unsigned length);
  static int VerifyPeer(X509_STORE_CTX* store, void* argument);
  static int AddIdExtension(SSL* ssl, unsigned type, unsigned context, const unsigned char** out,
                            size_t* length, X509* x, size_t chain, int* alert, void* argument);
  static int ParseIdExtension(SSL* ssl, unsigned type, unsigned context, const unsigned char* in,
                              size_t length, X509* x, size_t chain, int* alert, void* argument);

  void KeepClientRandom(const RecordView& record);
  void Advance();
  void Feed(const uint8_t* record, size_t length);
  bool DeriveKeys();
  bool RightForm(const RecordView& record) const {
    return record.has_connection_id() == (own_id_.has_value() && peer_has_ids_);
  }
  void HandleSealedRecord(const RecordView& record);
  void HoldOvertaking(const Plaintext& data);
  // One record of OpenSSL's: sealed as the peer wants it. Its length, 0 when that cannot be.
  size_t Reseal(const RecordView& record, uint8_t* out, size_t room);
  void WriteFlight(const uint8_t* data, size_t length);
  void RepeatLastFlight();

  // Its BIO points back to this object. nullptr after ReleaseHandshake.
  std::unique_ptr<SSL, SslFree> ssl_;
  State state_ = State::kHandshaking;
  bool server_;
  std::string failure_;
  Output output_;
  void* owner_;  // borrowed: the data plane, which owns this session
  uint16_t epoch_ = 1;
  bool is_successor_ = false;
  // SHA-256 of the peer's public key; a successor has it from the beginning.
  uint8_t peer_key_[kKeyDigestBytes] = {};
  std::optional<ConnectionId> own_id_;
  bool peer_has_ids_ = false;  // its extension was seen
  PeerConnectionId peer_id_;
  // The peer's Finished, when it came before what its keys are made of.
  static constexpr size_t kMaxEarlyRecordBytes = 256;
  std::vector<uint8_t> early_record_;
  // As many as a peer holds for us until we are linked. They have been authenticated by the handshake's keys.
  static constexpr size_t kMaxOvertaking = 64;
  static constexpr size_t kMaxOvertakingBytes = 128 * 1024;
  std::vector<std::vector<uint8_t>> overtaking_;
  size_t overtaking_bytes_ = 0;
  uint8_t extension_[1 + kConnectionIdBytes] = {};  // what OpenSSL puts into a hello

  const uint8_t* input_ = nullptr;  // borrowed during a call: the record that OpenSSL reads next
  size_t input_length_ = 0;
  const Endpoint* listening_to_ = nullptr;  // borrowed during ListenTo
  CookieJar* jar_ = nullptr;                // borrowed during ListenTo
  Nanoseconds listening_at_ = 0;

  RecordSealer sealer_;      // our direction, to the peer
  RecordOpener own_opener_;  // our direction: opens what OpenSSL sealed
  RecordOpener opener_;      // the peer's direction
  RecordSealer feeder_;      // the peer's direction: seals for OpenSSL what bore a connection ID
  uint64_t send_sequence_ = 0;
  uint64_t forged_ = 0;
  uint64_t feed_sequence_ = uint64_t{1} << 40;  // beyond what came plain
  int late_records_ = 0;
  uint64_t plain_sequence_ = 0;  // next record of epoch 0
  // Of a server, whose last flight ends the handshake: its Finished in plaintext, to be sealed anew.
  uint8_t finished_[kFinishedBytes] = {};
  bool has_finished_ = false;
  uint8_t client_random_[kHelloRandomBytes] = {};  // of a server
  bool has_client_random_ = false;
  ReplayWindow window_;
};

}  // namespace idloc
