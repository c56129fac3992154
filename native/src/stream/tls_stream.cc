#include "stream/tls_stream.h"

#include <openssl/err.h>

#include <utility>

namespace idloc {

std::unique_ptr<TlsStream> TlsStream::Create(SSL_CTX* context, bool server, const std::string& server_name,
                                             Nanoseconds now) {
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
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(ssl), now));
}

void TlsStream::Start() {
  uint8_t* nothing = nullptr;
  Read(&nothing);
  Collect();
}

size_t TlsStream::Read(uint8_t** plaintext) {
  // One thread has all streams, and each result is used before the next one.
  static thread_local uint8_t buffer[kHeadroom + kPackedBytes];
  ERR_clear_error();
  if (state_ == State::kHandshaking) {
    int done = SSL_do_handshake(ssl_.get());
    if (done != 1) {
      if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) Close();
      return 0;
    }
    state_ = State::kOpen;
  }
  int bytes = SSL_read(ssl_.get(), buffer + kHeadroom, static_cast<int>(kPackedBytes));
  if (bytes > 0) {
    *plaintext = buffer + kHeadroom;
    return static_cast<size_t>(bytes);
  }
  if (SSL_get_error(ssl_.get(), bytes) != SSL_ERROR_WANT_READ) Close();
  return 0;
}

void TlsStream::Collect() {
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

const uint8_t* TlsStream::Output(size_t* length) {
  if (output_begin_ == output_.size() && state_ == State::kOpen && !(urgent_.empty() && bulk_.empty())) {
    output_.clear();
    output_begin_ = 0;
    std::vector<uint8_t> packed;
    urgent_.TakeInto(&packed, kPackedBytes);
    bulk_.TakeInto(&packed, kPackedBytes);
    ERR_clear_error();
    int written = SSL_write(ssl_.get(), packed.data(), static_cast<int>(packed.size()));
    if (written != static_cast<int>(packed.size())) Close();
    Collect();
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

void TlsStream::Close() {
  if (state_ == State::kClosed) return;
  ERR_clear_error();
  // Before the handshake is done, an alert may be there already, and nothing else may be said.
  if (state_ == State::kOpen) SSL_shutdown(ssl_.get());
  state_ = State::kClosed;
  urgent_ = {};
  bulk_ = {};
  Collect();
  ERR_clear_error();
}

}  // namespace idloc
