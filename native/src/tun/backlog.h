#pragma once
// Bulk that was read from the TUN ahead of its turn, to see whether something urgent waits behind it. First
// in, first out.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace idloc {

class Backlog {
 public:
  // Four streams with the kernel's largest windows; more would only be delay for all of them.
  static constexpr size_t kBytes = 16 * 1024 * 1024;
  // Of one entry: a super-packet with its vnet header.
  static constexpr size_t kEntryBytes = 65'536 + 256;

  Backlog() : buffer_(std::make_unique_for_overwrite<uint8_t[]>(kBytes)) {}

  bool empty() const { return first_ == next_; }

  // kEntryBytes of room, borrowed until the next Append; nullptr: full.
  uint8_t* Room() {
    size_t need = kHeader + kEntryBytes;
    if (empty()) first_ = next_ = end_ = 0;
    if (next_ >= first_) {
      if (kBytes - next_ >= need) return &buffer_[next_ + kHeader];
      // Goes on at the start; the rest of the buffer stays unused this time.
      if (first_ <= need) return nullptr;
      end_ = next_;
      next_ = 0;
    }
    return first_ - next_ > need ? &buffer_[next_ + kHeader] : nullptr;
  }
  // What was written to Room, `length` bytes of it, becomes the newest entry.
  void Append(size_t length) {
    std::memcpy(&buffer_[next_], &length, kHeader);
    next_ += Stride(length);
    if (next_ > first_) end_ = next_;
  }

  // The oldest entry, borrowed until Pop; not when empty.
  uint8_t* Front(size_t* length) {
    if (first_ == end_ && next_ < first_) first_ = 0;
    std::memcpy(length, &buffer_[first_], kHeader);
    return &buffer_[first_ + kHeader];
  }
  void Pop() {
    size_t length;
    Front(&length);
    first_ += Stride(length);
    if (first_ == end_ && next_ < first_) first_ = 0;
  }

 private:
  static constexpr size_t kHeader = sizeof(size_t);
  static constexpr size_t Stride(size_t length) { return (kHeader + length + 7) / 8 * 8; }

  std::unique_ptr<uint8_t[]> buffer_;
  // Entries lie in [first_, next_), or, when next_ is behind, in [first_, end_) and [0, next_).
  size_t first_ = 0;
  size_t next_ = 0;
  size_t end_ = 0;
};

}  // namespace idloc
