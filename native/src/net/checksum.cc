#include "net/checksum.h"

namespace idloc {

// Each packet of a super-packet is added up: with AVX2, where the processor has it, in half the time. (The
// sanitizers cannot follow how the loader chooses.)
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__clang__)
#define IDLOC_AVX2_TOO [[gnu::target_clones("avx2", "default")]]
#else
#define IDLOC_AVX2_TOO
#endif

IDLOC_AVX2_TOO uint64_t ChecksumAdd(uint64_t sum, const uint8_t* data, size_t length) {
  // 32-bit words into 64-bit lanes: no carries to follow, and the compiler turns the loop into vector code.
  size_t words = length / 4;
  uint64_t lanes = 0;
  for (size_t i = 0; i < words; i++) {
    uint32_t word;
    std::memcpy(&word, data + 4 * i, 4);
    lanes += word;
  }
  sum = (sum & 0xffffffff) + (sum >> 32) + (lanes & 0xffffffff) + (lanes >> 32);
  data += 4 * words;
  length -= 4 * words;
  if (length >= 2) {
    uint16_t half;
    std::memcpy(&half, data, 2);
    sum += half;
    data += 2;
    length -= 2;
  }
  if (length == 1) sum += *data;
  return sum;
}

}  // namespace idloc
