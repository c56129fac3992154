#include "stream/tls_stream.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "stream/tls_context.h"

namespace idloc {

namespace {

bool HasChosenTurn(const SSL* ssl) {
  const uint8_t* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl, &name, &length);
  return std::string_view(reinterpret_cast<const char*>(name), length) == kTurnProtocol;
}

}  // namespace

std::unique_ptr<TlsStream> TlsStream::Create(SSL_CTX* context, bool server, const std::string& server_name,
                                             Nanoseconds now, Framing framing) {
  std::unique_ptr<SSL, SslFree> ssl(SSL_new(context));
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  if (ssl == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    return nullptr;
  }
  // Empty is not the end: more may come.
  BIO_set_mem_eof_return(in, -1);
  SSL_set_bio(ssl.get(), in, out);
  if (server) {
    SSL_set_accept_state(ssl.get());
  } else {
    SSL_set_connect_state(ssl.get());
    if (!server_name.empty() && SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()) != 1) return nullptr;
  }
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(ssl), now, framing));
}

std::unique_ptr<TlsStream> TlsStream::CreateAccepted(SSL_CTX* context, bool serves_turn, Nanoseconds now) {
  std::unique_ptr<TlsStream> out = Create(context, true, {}, now);
  if (out != nullptr) out->outer_ = out->inner_ = FirstBytes(serves_turn);
  return out;
}

void TlsStream::LeaveTls() {
  ssl_ = nullptr;
  state_ = State::kOpen;
  SpeakTurn();
}

void TlsStream::SpeakTurn() {
  framing_ = Framing::kTurn;
  if (inner_.verdict() == FirstBytes::Verdict::kMore) inner_ = FirstBytes(false);
  deframer_ = Deframer(framing_);
  urgent_ = FrameQueue(framing_);
  bulk_ = FrameQueue(framing_);
}

void TlsStream::Start() {
  if (ssl_ == nullptr) {
    if (state_ == State::kHandshaking) state_ = State::kOpen;
    return;
  }
  uint8_t* nothing = nullptr;
  Read(&nothing);
  Collect();
}

bool TlsStream::Take(const uint8_t* data, size_t length) {
  if (ssl_ != nullptr)
    return BIO_write(SSL_get_rbio(ssl_.get()), data, static_cast<int>(length)) == static_cast<int>(length);
  plain_input_ = data;
  plain_left_ = length;
  return true;
}

size_t TlsStream::Read(uint8_t** plaintext) {
  // One thread has all streams, and each result is used before the next one.
  static thread_local uint8_t buffer[kHeadroom + kPackedBytes];
  if (ssl_ == nullptr) {
    size_t taken = std::min(plain_left_, kPackedBytes);
    std::copy_n(plain_input_, taken, buffer + kHeadroom);
    plain_input_ += taken;
    plain_left_ -= taken;
    *plaintext = buffer + kHeadroom;
    return taken;
  }
  ERR_clear_error();
  if (state_ == State::kHandshaking) {
    int done = SSL_do_handshake(ssl_.get());
    if (done != 1) {
      if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) Close(Failure());
      return 0;
    }
    state_ = State::kOpen;
    if (inner_.verdict() == FirstBytes::Verdict::kMore && HasChosenTurn(ssl_.get())) SpeakTurn();
  }
  int bytes = SSL_read(ssl_.get(), buffer + kHeadroom, static_cast<int>(kPackedBytes));
  if (bytes > 0) {
    *plaintext = buffer + kHeadroom;
    return static_cast<size_t>(bytes);
  }
  if (SSL_get_error(ssl_.get(), bytes) != SSL_ERROR_WANT_READ) Close();
  return 0;
}

std::string TlsStream::Failure() const {
  long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK)
    return std::string("its certificate is refused: ") + X509_verify_cert_error_string(verified);
  const char* known = ERR_reason_error_string(ERR_peek_last_error());
  return std::string("TLS with it fails: ") + (known == nullptr ? "unknown reason" : known);
}

void TlsStream::Collect() {
  if (ssl_ == nullptr) return;
  char* data = nullptr;
  BIO* out = SSL_get_wbio(ssl_.get());
  long bytes = BIO_get_mem_data(out, &data);
  if (bytes > 0) {
    output_.insert(output_.end(), data, data + bytes);
    (void)BIO_reset(out);
  }
  if (output_.size() - output_begin_ > kMostOutputBytes) {
    output_.clear();
    output_begin_ = 0;
    state_ = State::kClosed;
  }
}

bool TlsStream::Queue(const uint8_t* datagram, size_t length, bool urgent, size_t most_bulk) {
  if (state_ == State::kClosed) return false;
  size_t most = state_ == State::kHandshaking ? kMostEarlyBytes : urgent ? kMostUrgentBytes : most_bulk;
  return (urgent ? urgent_ : bulk_).Append(datagram, length, most);
}

void TlsStream::Pack() {
  std::vector<uint8_t> packed;
  if (ssl_ == nullptr || framing_ == Framing::kLength) {
    urgent_.TakeInto(&packed, kPackedBytes);
    bulk_.TakeInto(&packed, kPackedBytes);
  } else {
    // A record of its own for each: there are clients that take the second message of a record for nothing.
    FrameQueue* first = urgent_.empty() ? &bulk_ : &urgent_;
    first->TakeInto(&packed, first->next_bytes());
  }
  if (ssl_ == nullptr) {
    output_ = std::move(packed);
    return;
  }
  ERR_clear_error();
  int written = SSL_write(ssl_.get(), packed.data(), static_cast<int>(packed.size()));
  if (written != static_cast<int>(packed.size())) Close();
  Collect();
}

const uint8_t* TlsStream::Output(size_t* length) {
  if (output_begin_ == output_.size() && state_ == State::kOpen) {
    output_.clear();
    output_begin_ = 0;
    while (output_.size() < kPackedBytes && state_ == State::kOpen && !(urgent_.empty() && bulk_.empty())) {
      Pack();
      if (ssl_ == nullptr || framing_ == Framing::kLength) break;
    }
  }
  *length = output_.size() - output_begin_;
  return output_.data() + output_begin_;
}

void TlsStream::Sent(size_t length) {
  output_begin_ += length;
  if (output_begin_ < output_.size()) return;
  output_.clear();
  output_begin_ = 0;
}

void TlsStream::Close(std::string reason) {
  if (state_ == State::kClosed) return;
  reason_ = std::move(reason);
  ERR_clear_error();
  // Before the handshake is done, an alert may be there already, and nothing else may be said.
  if (state_ == State::kOpen && ssl_ != nullptr) SSL_shutdown(ssl_.get());
  state_ = State::kClosed;
  urgent_ = FrameQueue(framing_);
  bulk_ = FrameQueue(framing_);
  Collect();
  ERR_clear_error();
}

}  // namespace idloc
