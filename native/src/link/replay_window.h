#pragma once
// Which sequence numbers were seen (RFC 6347 s4.1.2.6). Wide enough for urgent records that overtake all bulk
// that the kernel holds for us (udp/receive_depth.h): 8,192.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace idloc {

// A kilobyte of bits is made when it is needed: most links carry little, and miss a few numbers at most.
class ReplayWindow {
 public:
  // False: seen, or too old to tell. Changes nothing: only a record that proved authentic is marked.
  bool MayAccept(uint64_t sequence) const {
    if (sequence >= next_) return true;
    if (next_ - sequence > kWindow) return false;
    if (words_ == nullptr) return missed_count_ != 0 && FindMissed(sequence) != missed_count_;
    return ((*words_)[Word(sequence)] >> (sequence % 64) & 1) == 0;
  }

  // One more than the newest number marked.
  uint64_t next() const { return next_; }
  bool IsNewest(uint64_t sequence) const { return sequence >= next_; }

  void Mark(uint64_t sequence) {
    if (words_ == nullptr) {
      if (MarkFew(sequence)) return;
      MakeWords();
    }
    if (sequence >= next_) {
      // Clears the words that the front of the window moves into.
      uint64_t last = next_ == 0 ? 0 : (next_ - 1) / 64;
      uint64_t target = sequence / 64;
      uint64_t count = target - last;
      if (count > kWords) count = kWords;
      for (uint64_t i = 0; i < count; i++) (*words_)[(target - i) % kWords] = 0;
      next_ = sequence + 1;
    } else if (next_ - sequence > kWindow) {
      return;
    }
    (*words_)[Word(sequence)] |= uint64_t{1} << (sequence % 64);
  }

 private:
  static constexpr size_t kWords = 129;  // one more than the window: the newest word is only partly in use
  static constexpr uint64_t kWindow = (kWords - 1) * 64;
  static constexpr size_t kMaxMissed = 8;

  static size_t Word(uint64_t sequence) { return (sequence / 64) % kWords; }

  // missed_count_: it was seen.
  size_t FindMissed(uint64_t sequence) const {
    return static_cast<size_t>(std::find(missed_.begin(), missed_.begin() + missed_count_, sequence) -
                               missed_.begin());
  }
  void DropMissed(size_t index) { missed_[index] = missed_[--missed_count_]; }

  // False: more would be missing than there is room for; nothing was done.
  bool MarkFew(uint64_t sequence) {
    if (sequence < next_) {
      size_t found = FindMissed(sequence);
      if (found != missed_count_) DropMissed(found);
      return true;
    }
    if (sequence != next_) {
      for (size_t i = missed_count_; i-- > 0;) {
        if (next_ - missed_[i] > kWindow) DropMissed(i);
      }
      if (sequence - next_ > kMaxMissed - missed_count_) return false;
      for (uint64_t missing = next_; missing < sequence; missing++) missed_[missed_count_++] = missing;
    }
    next_ = sequence + 1;
    return true;
  }

  void MakeWords() {
    words_ = std::make_unique<std::array<uint64_t, kWords>>();
    // The newest word is only partly in use: what follows in it has not come.
    uint64_t at = next_ - std::min(next_, kWindow);
    for (; at < next_; at++) (*words_)[Word(at)] |= uint64_t{1} << (at % 64);
    for (size_t i = 0; i < missed_count_; i++) {
      if (next_ - missed_[i] <= kWindow) (*words_)[Word(missed_[i])] &= ~(uint64_t{1} << (missed_[i] % 64));
    }
    missed_count_ = 0;
  }

  std::unique_ptr<std::array<uint64_t, kWords>> words_;  // absent while few are missing
  uint64_t next_ = 0;
  // Of those below next_, as long as there are no words.
  std::array<uint64_t, kMaxMissed> missed_{};
  uint32_t missed_count_ = 0;
};

}  // namespace idloc
