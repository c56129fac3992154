#pragma once
// Datagrams in a stream. Between members (RFC 4571 s2, as ICE uses it: RFC 6544 s3):
//
//   0        2
//   +--------+-----------------+--------+---
//   | length | datagram        | length | ...
//   +--------+-----------------+--------+---
//
// Between a TURN server and its client nothing stands before them: STUN messages tell their own length (RFC
// 8489 s6.2.2), and so does ChannelData, which is padded to a multiple of four (RFC 8656 s12.5). The first
// byte tells which it is:
//
//   0        2         4                  20
//   +--------+---------+------------------+------------+
//   | 00.... | length  | STUN: the header | attributes |     20 + length, a multiple of four
//   +--------+---------+------------+-----+---+--------+
//   | number | length  | data       | padding |              4 + length, and 0 to 3 bytes
//   +--------+---------+------------+---------+
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "udp/first_byte.h"

namespace idloc {

enum class Framing : uint8_t { kLength, kTurn };

inline constexpr size_t kFrameHeaderBytes = 2;
// As large as they are anywhere else: what is found out about a stream's path MTU is used for more than that.
inline constexpr size_t kMaxFrameBytes = 1'500;
// With these the length of STUN and of ChannelData is known.
inline constexpr size_t kTurnLengthBytes = 4;
inline constexpr size_t kTurnPadding = 4;
// A datagram as above in a channel, or with what surrounds it in an indication.
inline constexpr size_t kMaxTurnBytes = kMaxFrameBytes + 100;

// What a datagram takes in a stream.
struct Frame {
  size_t before;
  size_t datagram;
  size_t after;
  size_t total() const { return before + datagram + after; }
};

// So many bytes, and MeasureFrame says more.
inline size_t FrameLengthBytes(Framing framing) {
  return framing == Framing::kTurn ? kTurnLengthBytes : kFrameHeaderBytes;
}

inline size_t MaxDatagramBytes(Framing framing) {
  return framing == Framing::kTurn ? kMaxTurnBytes : kMaxFrameBytes;
}

// `data` holds FrameLengthBytes. Nothing: this is no such stream.
inline std::optional<Frame> MeasureFrame(Framing framing, const uint8_t* data) {
  if (framing == Framing::kLength) {
    size_t length = LoadBe16(data);
    if (length > kMaxFrameBytes) return std::nullopt;
    return Frame{kFrameHeaderBytes, length, 0};
  }
  constexpr size_t kStunHeaderBytes = 20;
  size_t length = LoadBe16(data + 2);
  if (data[0] <= kLastStunByte) {
    if (length % kTurnPadding != 0) return std::nullopt;
    return Frame{0, kStunHeaderBytes + length, 0};
  }
  if (data[0] < kFirstChannelByte || data[0] > kLastChannelByte) return std::nullopt;
  return Frame{0, kTurnLengthBytes + length, (kTurnPadding - length % kTurnPadding) % kTurnPadding};
}

// Bounded: no more is kept than one datagram. Of a TURN server's stream larger ones are passed over: it hands
// on what anybody has sent it.
class Deframer {
 public:
  explicit Deframer(Framing framing) : framing_(framing) {}

  // Calls `visit(uint8_t* datagram, size_t length)` for each one that is whole, of at least one byte; it is
  // borrowed until that returns. False: this is no such stream, and nothing more may be fed.
  template <typename Visit>
  bool Feed(uint8_t* data, size_t length, Visit visit) {
    size_t at = 0;
    while (at < length) {
      if (passed_over_ > 0) {
        size_t passed = std::min(passed_over_, length - at);
        passed_over_ -= passed;
        at += passed;
        continue;
      }
      if (partial_.empty() && length - at >= FrameLengthBytes(framing_)) {
        std::optional<Frame> frame = MeasureFrame(framing_, data + at);
        if (!frame.has_value()) return false;
        if (frame->datagram > MaxDatagramBytes(framing_)) {
          passed_over_ = frame->total();
          continue;
        }
        if (length - at >= frame->total()) {
          if (frame->datagram > 0) visit(data + at + frame->before, frame->datagram);
          at += frame->total();
          continue;
        }
      }
      size_t taken = std::min(Missing(), length - at);
      partial_.insert(partial_.end(), data + at, data + at + taken);
      at += taken;
      if (partial_.size() < FrameLengthBytes(framing_)) continue;
      std::optional<Frame> frame = MeasureFrame(framing_, partial_.data());
      if (!frame.has_value()) return false;
      if (frame->datagram > MaxDatagramBytes(framing_)) {
        passed_over_ = frame->total() - partial_.size();
        partial_.clear();
        continue;
      }
      if (partial_.size() < frame->total()) continue;
      if (frame->datagram > 0) visit(partial_.data() + frame->before, frame->datagram);
      partial_.clear();
    }
    return true;
  }

 private:
  size_t Missing() const {
    if (partial_.size() < FrameLengthBytes(framing_)) return FrameLengthBytes(framing_) - partial_.size();
    // Measured already, or it would not be kept.
    return MeasureFrame(framing_, partial_.data())->total() - partial_.size();
  }

  Framing framing_;
  std::vector<uint8_t> partial_;  // of the datagram whose rest is still to come
  size_t passed_over_ = 0;        // still to come of one that is too large
};

// Datagrams that wait to be sent, framed, oldest first. Bounded: what does not fit is refused, and in the
// stream of a TURN server what is no message to it.
class FrameQueue {
 public:
  explicit FrameQueue(Framing framing) : framing_(framing) {}

  bool Append(const uint8_t* datagram, size_t length, size_t most_bytes) {
    Frame frame{kFrameHeaderBytes, length, 0};
    if (framing_ == Framing::kTurn) {
      if (length < kTurnLengthBytes) return false;
      std::optional<Frame> message = MeasureFrame(framing_, datagram);
      if (!message.has_value() || message->datagram != length) return false;
      frame = *message;
    }
    if (length == 0 || length > MaxDatagramBytes(framing_) || bytes() + frame.total() > most_bytes)
      return false;
    size_t at = frames_.size();
    frames_.resize(at + frame.total());
    if (frame.before > 0) StoreBe16(&frames_[at], static_cast<uint16_t>(length));
    std::copy_n(datagram, length, &frames_[at + frame.before]);
    return true;
  }
  // Moves whole frames behind `out`, as long as that has no more than `most` bytes.
  void TakeInto(std::vector<uint8_t>* out, size_t most) {
    size_t end = begin_;
    while (end < frames_.size()) {
      size_t next = end + MeasureFrame(framing_, &frames_[end])->total();
      if (out->size() + next - begin_ > most) break;
      end = next;
    }
    out->insert(out->end(), frames_.begin() + static_cast<ptrdiff_t>(begin_),
                frames_.begin() + static_cast<ptrdiff_t>(end));
    begin_ = end;
    if (begin_ == frames_.size()) {
      frames_.clear();
      begin_ = 0;
    } else if (begin_ > frames_.size() / 2) {
      frames_.erase(frames_.begin(), frames_.begin() + static_cast<ptrdiff_t>(begin_));
      begin_ = 0;
    }
  }
  // Of the oldest one, as it is in the stream; there is one.
  size_t next_bytes() const { return MeasureFrame(framing_, &frames_[begin_])->total(); }
  size_t bytes() const { return frames_.size() - begin_; }
  bool empty() const { return bytes() == 0; }

 private:
  Framing framing_;
  std::vector<uint8_t> frames_;
  size_t begin_ = 0;
};

}  // namespace idloc
