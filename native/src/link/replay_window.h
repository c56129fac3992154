#pragma once
// Which sequence numbers were seen (RFC 6347 s4.1.2.6). Wide enough for urgent records that overtake all bulk
// that the kernel holds for us (udp/receive_depth.h): 8,192.
#include <array>
#include <cstddef>
#include <cstdint>

namespace idloc {

class ReplayWindow {
 public:
  // False: seen, or too old to tell. Changes nothing: only a record that proved authentic is marked.
  bool MayAccept(uint64_t sequence) const {
    if (sequence >= next_) return true;
    if (next_ - sequence > kWindow) return false;
    return (words_[Word(sequence)] >> (sequence % 64) & 1) == 0;
  }

  // One more than the newest number marked.
  uint64_t next() const { return next_; }
  bool IsNewest(uint64_t sequence) const { return sequence >= next_; }

  void Mark(uint64_t sequence) {
    if (sequence >= next_) {
      // Clears the words that the front of the window moves into.
      uint64_t last = next_ == 0 ? 0 : (next_ - 1) / 64;
      uint64_t target = sequence / 64;
      uint64_t count = target - last;
      if (count > kWords) count = kWords;
      for (uint64_t i = 0; i < count; i++) words_[(target - i) % kWords] = 0;
      next_ = sequence + 1;
    }
    words_[Word(sequence)] |= uint64_t{1} << (sequence % 64);
  }

 private:
  static constexpr size_t kWords = 129;  // one more than the window: the newest word is only partly in use
  static constexpr uint64_t kWindow = (kWords - 1) * 64;

  static size_t Word(uint64_t sequence) { return (sequence / 64) % kWords; }

  std::array<uint64_t, kWords> words_{};
  uint64_t next_ = 0;
};

}  // namespace idloc
