#pragma once
// One stream, sans-IO: datagrams in TLS, or in nothing, over TCP that somebody else reads and writes.
//
//   kHandshaking ──TLS is done──> kOpen ──end of TLS, what is no frame──> kClosed
//        └──────────failed, too slow──────────────────────────────────────^
//
// Of one that was accepted the first bytes tell whether there is TLS at all, and what comes in it
// (CreateAccepted): TURN without TLS goes from kHandshaking to kOpen with its eighth byte.
//
// Between members TLS is here so that a network lets it through. Whose certificate it is nobody asks: who is
// at the other end is proven by DTLS inside, as over UDP. Of a TURN server the context asks
// (MakeTurnClient).
#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "link/dtls_session.h"
#include "stream/first_bytes.h"
#include "stream/framing.h"

namespace idloc {

class TlsStream {
 public:
  enum class State : uint8_t { kHandshaking, kOpen, kClosed };

  static constexpr Nanoseconds kHandshakeTime = 10 * kSecond;
  // Links ask for signs of life more often than that.
  static constexpr Nanoseconds kIdleTime = 60 * kSecond;
  // What waits because TCP takes no more. What is urgent is old when so much is before it.
  static constexpr size_t kMostUrgentBytes = 32 * 1024;
  static constexpr size_t kMostBulkBytes = 256 * 1024;
  static constexpr size_t kMostEarlyBytes = 16 * 1024;
  // Of one TLS record (RFC 8446 s5.1), and as much as TCP is given at once: what is urgent is behind no more.
  static constexpr size_t kPackedBytes = 16 * 1024;

  // nullptr: OpenSSL refuses. `server_name`: of a client, for SNI; empty: none.
  static std::unique_ptr<TlsStream> Create(SSL_CTX* context, bool server, const std::string& server_name,
                                           Nanoseconds now, Framing framing = Framing::kLength);
  // Of whom nothing is known yet. `serves_turn`: it may be a TURN client (RFC 8656 s3.1), over TLS, where it
  // says so by ALPN (RFC 7443) or by what it says first, or over TCP.
  static std::unique_ptr<TlsStream> CreateAccepted(SSL_CTX* context, bool serves_turn, Nanoseconds now);
  // Without TLS.
  static std::unique_ptr<TlsStream> CreatePlain(Framing framing, Nanoseconds now) {
    return std::unique_ptr<TlsStream>(new TlsStream(nullptr, now, framing));
  }

  // What TCP brought. Calls `visit(uint8_t* datagram, size_t length)` for each datagram in it, which may
  // Queue.
  template <typename Visit>
  void Receive(const uint8_t* data, size_t length, Nanoseconds now, Visit visit) {
    if (state_ == State::kClosed) return;
    heard_at_ = now;
    if (outer_.verdict() == FirstBytes::Verdict::kMore) {
      size_t taken = outer_.Look(data, length);
      data += taken;
      length -= taken;
      if (outer_.verdict() == FirstBytes::Verdict::kMore) return;
      if (outer_.verdict() == FirstBytes::Verdict::kTurn) {
        LeaveTls();
        deframer_.Feed(outer_.data(), outer_.size(), visit);
      } else if (!Take(outer_.data(), outer_.size())) {
        Close();
      }
    }
    if (!Take(data, length)) {
      Close();
      return;
    }
    while (state_ != State::kClosed) {
      uint8_t* plaintext = nullptr;
      size_t bytes = Read(&plaintext);
      if (bytes == 0) break;
      if (!Deframe(plaintext, bytes, visit)) Close("what it says is none of the datagrams expected");
    }
    Collect();
  }
  // `most_bulk`: of what is not urgent. False: it is dropped.
  bool Queue(const uint8_t* datagram, size_t length, bool urgent, size_t most_bulk = kMostBulkBytes);
  // Of a client, when TCP is connected: the first flight. Without TLS it is open.
  void Start();
  // What TCP is to carry now; borrowed until anything else is called.
  const uint8_t* Output(size_t* length);
  void Sent(size_t length);
  bool HasOutput() { return output_.size() > output_begin_ || !urgent_.empty() || !bulk_.empty(); }
  // close_notify follows what is under way. `reason`: for a person, of the first time.
  void Close(std::string reason = {});
  // It is over when this has passed. A TURN server says nothing of itself for minutes.
  Nanoseconds deadline() const {
    if (state_ == State::kHandshaking) return started_at_ + kHandshakeTime;
    return framing_ == Framing::kTurn ? kNever : heard_at_ + kIdleTime;
  }

  State state() const { return state_; }
  // Of one that was accepted: as far as is known.
  Framing framing() const { return framing_; }
  // Why it is closed; empty: nothing is known.
  const std::string& reason() const { return reason_; }
  Nanoseconds heard_at() const { return heard_at_; }

 private:
  // Of TLS alone, which a peer that reads nothing could make us say without end.
  static constexpr size_t kMostOutputBytes = 64 * 1024;
  static constexpr size_t kHeadroom = 64;

  TlsStream(std::unique_ptr<SSL, SslFree> ssl, Nanoseconds now, Framing framing)
      : ssl_(std::move(ssl)),
        framing_(framing),
        started_at_(now),
        heard_at_(now),
        deframer_(framing),
        urgent_(framing),
        bulk_(framing) {}

  template <typename Visit>
  bool Deframe(uint8_t* data, size_t length, Visit visit) {
    size_t taken = 0;
    if (inner_.verdict() == FirstBytes::Verdict::kMore) {
      taken = inner_.Look(data, length);
      if (inner_.verdict() == FirstBytes::Verdict::kMore) return true;
      if (inner_.verdict() == FirstBytes::Verdict::kTurn) SpeakTurn();
      if (!deframer_.Feed(inner_.data(), inner_.size(), visit)) return false;
    }
    return deframer_.Feed(data + taken, length - taken, visit);
  }
  void LeaveTls();
  void SpeakTurn();
  // Of what waits, into `output_`.
  void Pack();

  // What Read gives then. False: there is no memory.
  bool Take(const uint8_t* data, size_t length);
  // 0: nothing more for now, or ever.
  size_t Read(uint8_t** plaintext);
  void Collect();

  // Why TLS failed.
  std::string Failure() const;

  std::unique_ptr<SSL, SslFree> ssl_;  // nullptr: no TLS
  Framing framing_;
  State state_ = State::kHandshaking;
  std::string reason_;
  Nanoseconds started_at_;
  Nanoseconds heard_at_;
  FirstBytes outer_{false};  // of TCP
  FirstBytes inner_{false};  // of what comes in TLS
  Deframer deframer_;
  FrameQueue urgent_;
  FrameQueue bulk_;
  const uint8_t* plain_input_ = nullptr;  // without TLS; borrowed during Receive
  size_t plain_left_ = 0;
  std::vector<uint8_t> output_;  // ciphertext
  size_t output_begin_ = 0;
};

}  // namespace idloc
