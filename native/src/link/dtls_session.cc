#include "link/dtls_session.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>

namespace idloc {

namespace {

// RFC 6347 s4.2.4.1 starts at one second and allows less. A path was checked just before, so its round trip
// is known to be short; the loss of a first flight shall not cost a second.
constexpr unsigned kFirstTimeoutMicroseconds = 150'000;
constexpr unsigned kLastTimeoutMicroseconds = 2'000'000;
// Nobody may be there yet: a host that starts after us is found this soon.
constexpr unsigned kLastHelloTimeoutMicroseconds = 400'000;
constexpr char kExporterLabel[] = "EXPORTER-idloc-link";
constexpr unsigned kConnectionIdExtension = 54;  // RFC 9146 s3

bool AwaitsFirstAnswer(const SSL* ssl) { return SSL_get_state(ssl) == TLS_ST_CW_CLNT_HELLO; }

unsigned NextTimer(SSL* ssl, unsigned current) {
  if (current == 0) return kFirstTimeoutMicroseconds;
  return std::min(current * 2,
                  AwaitsFirstAnswer(ssl) ? kLastHelloTimeoutMicroseconds : kLastTimeoutMicroseconds);
}

std::string TakeReason() {
  unsigned long error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return reason == nullptr ? "unknown reason" : reason;
}

struct KdfFree {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

// RFC 5246 s5: PRF(secret, label, seed).
bool Tls1Prf(const char* digest, const uint8_t* secret, size_t secret_bytes, const uint8_t* seed,
             size_t seed_bytes, uint8_t* out, size_t out_bytes) {
  std::unique_ptr<EVP_KDF, KdfFree> kdf(EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_PRF, nullptr));
  if (kdf == nullptr) return false;
  std::unique_ptr<EVP_KDF_CTX, KdfFree> context(EVP_KDF_CTX_new(kdf.get()));
  if (context == nullptr) return false;
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(digest), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, const_cast<uint8_t*>(secret), secret_bytes),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, const_cast<uint8_t*>(seed), seed_bytes),
      OSSL_PARAM_construct_end(),
  };
  return EVP_KDF_derive(context.get(), out, out_bytes, params) == 1;
}

}  // namespace

std::unique_ptr<DtlsSession> DtlsSession::Create(SSL_CTX* context, bool server, const ConnectionId* own_id,
                                                 Output output, void* owner) {
  std::unique_ptr<DtlsSession> session(new DtlsSession(server, output, owner));
  if (own_id != nullptr) session->own_id_ = *own_id;
  session->ssl_.reset(SSL_new(context));
  BIO* bio = BIO_new(BioMethod());
  if (session->ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    return nullptr;
  }
  SSL* ssl = session->ssl_.get();
  BIO_set_data(bio, session.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_app_data(ssl, session.get());
  DTLS_set_timer_cb(ssl, NextTimer);
  SSL_set_mtu(ssl, kHandshakeMtu);
  if (server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return session;
}

std::unique_ptr<DtlsSession> DtlsSession::CreateSuccessor(SSL_CTX* context, const DtlsSession& before,
                                                          Output output, void* owner) {
  if (before.epoch_ >= kMaxEpoch) return nullptr;
  auto session = Create(context, before.server_, nullptr, output, owner);
  if (session == nullptr) return nullptr;
  session->is_successor_ = true;
  session->epoch_ = static_cast<uint16_t>(before.epoch_ + 1);
  session->own_id_ = before.own_id_;
  session->peer_has_ids_ = before.peer_has_ids_;
  session->peer_id_ = before.peer_id_;
  std::memcpy(session->peer_key_, before.peer_key_, kKeyDigestBytes);
  SSL_set_mtu(session->ssl_.get(), kSuccessorMtu);
  return session;
}

DtlsSession::~DtlsSession() = default;

BIO_METHOD* DtlsSession::BioMethod() {
  // Shared by all threads and environments, for the life of the process.
  static BIO_METHOD* method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "idloc datagram");
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

int DtlsSession::BioRead(BIO* bio, char* data, int length) {
  auto* self = static_cast<DtlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self->input_ == nullptr) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t taken = std::min(self->input_length_, static_cast<size_t>(length));
  std::memcpy(data, self->input_, taken);
  self->input_ = nullptr;
  return static_cast<int>(taken);
}

int DtlsSession::BioWrite(BIO* bio, const char* data, int length) {
  auto* self = static_cast<DtlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (length > 0) self->WriteFlight(reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(length));
  return length;
}

long DtlsSession::BioControl(BIO*, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return kHandshakeMtu;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
      return 0;  // kHandshakeMtu counts UDP payload
    default:
      return 0;
  }
}

bool DtlsSession::InstallCallbacks(SSL_CTX* context) {
  SSL_CTX_set_cookie_generate_cb(context, MakeCookie);
  SSL_CTX_set_cookie_verify_cb(context, VerifyCookie);
  SSL_CTX_set_cert_verify_callback(context, VerifyPeer, nullptr);
  return SSL_CTX_add_custom_ext(context, kConnectionIdExtension,
                                SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_2_SERVER_HELLO, AddIdExtension, nullptr,
                                nullptr, ParseIdExtension, nullptr) == 1;
}

int DtlsSession::VerifyPeer(X509_STORE_CTX* store, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* self = static_cast<DtlsSession*>(SSL_get_app_data(ssl));
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (X509_pubkey_digest(X509_STORE_CTX_get0_cert(store), EVP_sha256(), digest, &length) != 1 ||
      length != kKeyDigestBytes) {
    return 0;
  }
  if (self->is_successor_) {
    if (std::memcmp(digest, self->peer_key_, kKeyDigestBytes) == 0) return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }
  // Who the peer may be is decided in JavaScript.
  std::memcpy(self->peer_key_, digest, kKeyDigestBytes);
  return 1;
}

// RFC 9146 s3: opaque cid<0..2^8-1>.
int DtlsSession::AddIdExtension(SSL* ssl, unsigned, unsigned, const unsigned char** out, size_t* length,
                                X509*, size_t, int*, void*) {
  static_assert(kConnectionIdBytes < 256);
  auto* self = static_cast<DtlsSession*>(SSL_get_app_data(ssl));
  if (self->is_successor_ || !self->own_id_.has_value() || (self->server_ && !self->peer_has_ids_)) return 0;
  self->extension_[0] = kConnectionIdBytes;
  std::memcpy(self->extension_ + 1, self->own_id_->data(), kConnectionIdBytes);
  *out = self->extension_;
  *length = sizeof self->extension_;
  return 1;
}

int DtlsSession::ParseIdExtension(SSL* ssl, unsigned, unsigned, const unsigned char* in, size_t length, X509*,
                                  size_t, int* alert, void*) {
  auto* self = static_cast<DtlsSession*>(SSL_get_app_data(ssl));
  if (length == 0 || length != 1 + size_t{in[0]}) {
    *alert = SSL_AD_DECODE_ERROR;
    return 0;
  }
  if (self->is_successor_ || !self->own_id_.has_value()) return 1;
  if (length - 1 > PeerConnectionId::kMaxBytes) {
    // A client may be left without; a server has decided already.
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    return self->server_ ? 1 : 0;
  }
  self->peer_has_ids_ = true;
  self->peer_id_.length = in[0];
  std::memcpy(self->peer_id_.bytes, in + 1, length - 1);
  return 1;
}

int DtlsSession::MakeCookie(SSL* ssl, unsigned char* cookie, unsigned* length) {
  auto* self = static_cast<DtlsSession*>(SSL_get_app_data(ssl));
  if (self->jar_ == nullptr || !self->jar_->Make(*self->listening_to_, self->listening_at_, cookie)) return 0;
  *length = CookieJar::kCookieBytes;
  return 1;
}

int DtlsSession::VerifyCookie(SSL* ssl, const unsigned char* cookie, unsigned length) {
  auto* self = static_cast<DtlsSession*>(SSL_get_app_data(ssl));
  // OpenSSL asks once more when it reads the ClientHello that ListenTo has verified.
  if (self->jar_ == nullptr) return 1;
  return self->jar_->Verify(*self->listening_to_, self->listening_at_, cookie, length) ? 1 : 0;
}

bool DtlsSession::ListenTo(const RecordView& record, const Endpoint& remote, CookieJar* jar,
                           Nanoseconds now) {
  input_ = record.data;
  input_length_ = record.length;
  listening_to_ = &remote;
  listening_at_ = now;
  jar_ = jar;
  BIO_ADDR* client = BIO_ADDR_new();
  ERR_clear_error();
  int result = DTLSv1_listen(ssl_.get(), client);
  ERR_clear_error();
  BIO_ADDR_free(client);
  input_ = nullptr;
  jar_ = nullptr;
  listening_to_ = nullptr;
  if (result > 0) KeepClientRandom(record);
  // Zero and less: a cookie was asked for, or the bytes are no ClientHello; the next call begins afresh
  // either way.
  return result > 0;
}

void DtlsSession::HandleHandshakeRecord(const RecordView& record) {
  if (state_ != State::kHandshaking) return;
  if (record.epoch != 0 && record.epoch != epoch_) return;
  if (record.has_connection_id() || record.epoch > 1) {
    HandleSealedRecord(record);
    return;
  }
  if (record.epoch != 0 && opener_.ready() && !RightForm(record)) return;
  KeepClientRandom(record);
  Feed(record.data, record.length);
  if (early_record_.empty() || state_ != State::kHandshaking) return;
  std::vector<uint8_t> early = std::exchange(early_record_, {});
  RecordView held;
  if (NextRecord(early.data(), early.size(), &held)) HandleSealedRecord(held);
}

void DtlsSession::KeepClientRandom(const RecordView& record) {
  // OpenSSL tells it when all pieces of the ClientHello are there.
  ClientHelloView hello;
  if (!server_ || has_client_random_ || !ParseClientHello(record, &hello)) return;
  std::memcpy(client_random_, hello.random, kHelloRandomBytes);
  has_client_random_ = true;
}

void DtlsSession::Feed(const uint8_t* record, size_t length) {
  input_ = record;
  input_length_ = length;
  Advance();
  input_ = nullptr;
}

void DtlsSession::HandleSealedRecord(const RecordView& record) {
  if (!opener_.ready() && !DeriveKeys()) {
    // Finished is the first record of its epoch (RFC 6347 s4.1), so that no other takes its place.
    if (record.sequence == 0 && record.length <= kMaxEarlyRecordBytes)
      early_record_.assign(record.data, record.data + record.length);
    return;
  }
  Plaintext plaintext;
  if (!RightForm(record) || !opener_.Open(record, &plaintext)) {
    ERR_clear_error();
    return;
  }
  bool repeated = !window_.MayAccept(record.sequence);
  window_.Mark(record.sequence);
  if (plaintext.type == kContentApplicationData) {
    if (!repeated) HoldOvertaking(plaintext);
    return;
  }
  uint8_t* plain = plaintext.data - kMinPlaintextOffset;
  if (!feeder_.Seal(plain, plaintext.length, plaintext.type, 1, feed_sequence_++, false)) {
    return;
  }
  Feed(plain, feeder_.layout().overhead + plaintext.length);
}

void DtlsSession::HoldOvertaking(const Plaintext& data) {
  if (overtaking_.size() == kMaxOvertaking || overtaking_bytes_ + data.length > kMaxOvertakingBytes) return;
  overtaking_.emplace_back(data.data, data.data + data.length);
  overtaking_bytes_ += data.length;
}

std::vector<std::vector<uint8_t>> DtlsSession::TakeOvertaking() {
  overtaking_bytes_ = 0;
  return std::exchange(overtaking_, {});
}

void DtlsSession::Advance() {
  if (state_ != State::kHandshaking) return;
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    if (opener_.ready()) {
      state_ = State::kConnected;
      return;
    }
    failure_ = "no keys after the handshake";
    state_ = State::kFailed;
    return;
  }
  int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    ERR_clear_error();
    return;
  }
  failure_ = TakeReason();
  state_ = State::kFailed;
}

Nanoseconds DtlsSession::NextTimeout(Nanoseconds now) const {
  timeval left;
  if (state_ != State::kHandshaking || DTLSv1_get_timeout(ssl_.get(), &left) != 1) return kNever;
  return now + Nanoseconds{left.tv_sec} * kSecond + Nanoseconds{left.tv_usec} * 1000;
}

void DtlsSession::HandleTimeout() {
  if (state_ != State::kHandshaking) return;
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_.get()) < 0) {
    failure_ = TakeReason();
    state_ = State::kFailed;
  }
}

bool DtlsSession::DeriveKeys() {
  // RFC 5246 s6.3: client key, server key, client nonce, server nonce; GCM has no MAC keys.
  const SSL_CIPHER* suite = SSL_get_pending_cipher(ssl_.get());
  if (suite == nullptr) suite = SSL_get_current_cipher(ssl_.get());
  if (suite == nullptr) return false;
  bool wide = SSL_CIPHER_get_cipher_nid(suite) == NID_aes_256_gcm;
  if (!wide && SSL_CIPHER_get_cipher_nid(suite) != NID_aes_128_gcm) return false;
  size_t key_bytes = wide ? 32 : 16;
  uint8_t master[SSL_MAX_MASTER_KEY_LENGTH];
  const SSL_SESSION* session = SSL_get_session(ssl_.get());
  if (session == nullptr) return false;
  size_t master_bytes = SSL_SESSION_get_master_key(session, master, sizeof master);

  constexpr char kLabel[] = "key expansion";
  constexpr size_t kLabelBytes = sizeof kLabel - 1;
  uint8_t seed[kLabelBytes + 2 * SSL3_RANDOM_SIZE];
  std::memcpy(seed, kLabel, kLabelBytes);
  SSL_get_server_random(ssl_.get(), seed + kLabelBytes, SSL3_RANDOM_SIZE);
  SSL_get_client_random(ssl_.get(), seed + kLabelBytes + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
  uint8_t block[2 * (32 + kFixedNonceBytes)];
  size_t block_bytes = 2 * (key_bytes + kFixedNonceBytes);
  bool done = master_bytes > 0 && Tls1Prf(wide ? "SHA384" : "SHA256", master, master_bytes, seed, sizeof seed,
                                          block, block_bytes);
  if (done) {
    DirectionKeys client{wide, block, block + 2 * key_bytes};
    DirectionKeys server{wide, block + key_bytes, block + 2 * key_bytes + kFixedNonceBytes};
    const DirectionKeys& own = server_ ? server : client;
    const DirectionKeys& peer = server_ ? client : server;
    done = sealer_.Init(own) && own_opener_.Init(own) && opener_.Init(peer) && feeder_.Init(peer);
    // Settled now, for both directions: Finished bears them already (RFC 9146 s3).
    sealer_.set_connection_id(peer_id_);
  }
  OPENSSL_cleanse(master, sizeof master);
  OPENSSL_cleanse(block, sizeof block);
  return done;
}

size_t DtlsSession::Reseal(const RecordView& record, uint8_t* out, size_t room) {
  if (!sealer_.ready() && !DeriveKeys()) return 0;
  Plaintext plaintext;
  if (!own_opener_.Open(record, &plaintext)) return 0;
  if (server_ && plaintext.type == kContentHandshake && plaintext.length == kFinishedBytes) {
    std::memcpy(finished_, plaintext.data, kFinishedBytes);
    has_finished_ = true;
  }
  size_t length = send_layout().overhead + plaintext.length;
  if (length > room) return 0;
  std::memcpy(out + send_layout().plaintext_offset, plaintext.data, plaintext.length);
  return SealRecord(out, plaintext.length, plaintext.type) ? length : 0;
}

void DtlsSession::WriteFlight(const uint8_t* data, size_t length) {
  uint8_t copy[2 * kHandshakeMtu];
  uint8_t out[sizeof copy];
  if (length > sizeof copy) return;
  std::memcpy(copy, data, length);
  size_t used = 0;
  RecordView record;
  for (size_t at = 0; NextRecord(copy + at, length - at, &record); at += record.length) {
    if (record.epoch != 0) {
      used += Reseal(record, out + used, sizeof out - used);
    } else if (record.length <= sizeof out - used) {
      plain_sequence_ = record.sequence + 1;
      std::memcpy(out + used, record.data, record.length);
      used += record.length;
    }
  }
  if (used > 0) output_(owner_, out, used);
}

DtlsSession::Opened DtlsSession::OpenRecord(const RecordView& record, Plaintext* out, bool* newest) {
  // RFC 9146 s3: a record without the ID that was agreed on is invalid.
  if (record.epoch != epoch_ || !RightForm(record)) return Opened::kBad;
  // Some stacks repeat their Finished under its old number, and only the plaintext tells it from data.
  bool may_accept = window_.MayAccept(record.sequence);
  bool may_be_late = (record.has_connection_id() ? record.sequence == 0 : record.type == kContentHandshake) &&
                     late_records_ < kMaxLateHandshakeRecords;
  if (!may_accept && !may_be_late) return Opened::kReplayed;
  if (!opener_.Open(record, out)) {
    forged_++;
    ERR_clear_error();
    return Opened::kBad;
  }
  if (!may_accept && out->type != kContentHandshake) return Opened::kReplayed;
  *newest = window_.IsNewest(record.sequence);
  window_.Mark(record.sequence);
  switch (out->type) {
    case kContentApplicationData:
      return Opened::kApplicationData;
    case kContentAlert:
      // close_notify, or anything fatal (RFC 5246 s7.2).
      return out->length == 2 && (out->data[1] == 0 || out->data[0] == 2) ? Opened::kClosed
                                                                          : Opened::kNothing;
    case kContentHandshake:
      if (late_records_ >= kMaxLateHandshakeRecords) return Opened::kNothing;
      late_records_++;
      // RFC 6347 s4.2.4: who sent the last flight repeats it when the peer repeats its own.
      if (has_finished_ && out->length > 0 && out->data[0] == kHandshakeFinished) RepeatLastFlight();
      return Opened::kNothing;
    default:
      return Opened::kNothing;
  }
}

void DtlsSession::RepeatLastFlight() {
  uint8_t flight[kRecordHeaderBytes + 1 + kMaxRecordOverhead + kFinishedBytes];
  flight[0] = kContentChangeCipherSpec;
  StoreBe16(flight + 1, kVersionDtls12);
  StoreBe64(flight + 3, plain_sequence_++);
  StoreBe16(flight + 11, 1);
  flight[kRecordHeaderBytes] = 1;
  uint8_t* record = flight + kRecordHeaderBytes + 1;
  std::memcpy(record + send_layout().plaintext_offset, finished_, kFinishedBytes);
  if (!SealRecord(record, kFinishedBytes, kContentHandshake)) return;
  output_(owner_, flight, kRecordHeaderBytes + 1 + send_layout().overhead + kFinishedBytes);
}

void DtlsSession::ReleaseHandshake() {
  if (state_ != State::kConnected || ssl_ == nullptr) return;
  ssl_ = nullptr;
  own_opener_ = {};
  feeder_ = {};
}

bool DtlsSession::SealRecord(uint8_t* record, size_t length, uint8_t type, bool urgent) {
  if (send_sequence_ >= kMaxRecords) return false;
  return sealer_.Seal(record, length, type, epoch_, send_sequence_++, urgent);
}

size_t DtlsSession::MakeCloseNotify(uint8_t* out) {
  if (state_ != State::kConnected) return 0;
  uint8_t* alert = out + send_layout().plaintext_offset;
  alert[0] = 1;  // warning
  alert[1] = 0;  // close_notify
  return SealRecord(out, kAlertBytes, kContentAlert) ? alert_record_bytes() : 0;
}

std::vector<std::vector<uint8_t>> DtlsSession::PeerCertificates() const {
  std::vector<std::vector<uint8_t>> out;
  auto append = [&out](X509* certificate) {
    int length = i2d_X509(certificate, nullptr);
    if (length <= 0) return;
    std::vector<uint8_t>& der = out.emplace_back(static_cast<size_t>(length));
    unsigned char* p = der.data();
    i2d_X509(certificate, &p);
  };
  X509* leaf = SSL_get0_peer_certificate(ssl_.get());
  if (leaf != nullptr) append(leaf);
  // On a client the chain begins with the leaf, on a server it does not.
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl_.get());
  for (int i = server_ ? 0 : 1; chain != nullptr && i < sk_X509_num(chain); i++)
    append(sk_X509_value(chain, i));
  return out;
}

std::vector<uint8_t> DtlsSession::Exporter() const {
  std::vector<uint8_t> out(kExporterBytes);
  if (SSL_export_keying_material(ssl_.get(), out.data(), out.size(), kExporterLabel,
                                 sizeof kExporterLabel - 1, nullptr, 0, 0) != 1) {
    ERR_clear_error();
    out.clear();
  }
  return out;
}

bool DtlsSession::HasClientRandom(const uint8_t* random) const {
  return has_client_random_ && std::memcmp(client_random_, random, kHelloRandomBytes) == 0;
}

bool DtlsSession::AwaitsAnswer() const { return AwaitsFirstAnswer(ssl_.get()); }

bool DtlsSession::HasSmallerRandom(const uint8_t* random) const {
  uint8_t own[SSL3_RANDOM_SIZE];
  return SSL_get_client_random(ssl_.get(), own, sizeof own) == sizeof own &&
         std::memcmp(own, random, sizeof own) < 0;
}

}  // namespace idloc
