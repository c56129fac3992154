#pragma once
// Where a property takes its decisions from: the bytes of a fuzzer, or a seed. One property serves both.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace idloc::test {

using Bytes = std::vector<uint8_t>;

class Source {
 public:
  // Borrows `data`. When it is used up every answer is 0.
  Source(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  explicit Source(uint64_t seed) : state_(seed), seeded_(true) {}

  // True: nothing more to decide from. Never with a seed: count there.
  bool done() const { return !seeded_ && at_ >= size_; }

  uint8_t Byte() {
    if (seeded_) return static_cast<uint8_t>(Draw() >> 56);
    return at_ < size_ ? data_[at_++] : 0;
  }
  uint16_t U16() {
    auto high = static_cast<uint16_t>(Byte() << 8);
    return static_cast<uint16_t>(high | Byte());
  }
  uint32_t U32() {
    uint32_t high = uint32_t{U16()} << 16;
    return high | U16();
  }
  uint64_t U64() {
    uint64_t high = uint64_t{U32()} << 32;
    return high | U32();
  }
  // 0 to n - 1.
  size_t Below(size_t n) {
    if (n <= 1) return 0;
    return (n <= 256 ? Byte() : n <= 65'536 ? U16() : U32()) % n;
  }
  size_t Between(size_t least, size_t most) { return least + Below(most - least + 1); }
  // True once in n.
  bool OneIn(size_t n) { return Below(n) == n - 1; }

  // Exactly n bytes of a fuzzer's choice, zeros where it has no more.
  Bytes Take(size_t n) {
    Bytes out(n);
    for (uint8_t& byte : out) byte = Byte();
    return out;
  }
  // What is left.
  Bytes Rest() {
    if (seeded_) return Take(Below(2048));
    Bytes out(data_ + at_, data_ + size_);
    at_ = size_;
    return out;
  }

 private:
  // splitmix64
  uint64_t Draw() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t at_ = 0;
  uint64_t state_ = 0;
  bool seeded_ = false;
};

}  // namespace idloc::test
