#include "link/aead.h"

#include <array>
#include <thread>
#include <vector>

#include "unit/test.h"

namespace idloc::test {

namespace {

struct Direction {
  std::array<uint8_t, 16> key;
  std::unique_ptr<Aead> aead;
};

struct Sealed {
  std::array<uint8_t, 4> text;
  std::array<uint8_t, Aead::kTagBytes> tag;
  bool operator==(const Sealed&) const = default;
};

Sealed Seal(Aead& aead) {
  constexpr uint8_t kNonce[Aead::kNonceBytes] = {1, 2, 3};
  constexpr uint8_t kAdditional[13] = {4, 5, 6};
  Sealed out{{7, 8, 9, 10}, {}};
  CHECK(aead.Seal(kNonce, kAdditional, sizeof kAdditional, out.text.data(), out.text.size(), out.tag.data()));
  return out;
}

Direction Make(size_t number) {
  Direction made{{static_cast<uint8_t>(number), static_cast<uint8_t>(number >> 8)}, nullptr};
  made.aead = NewAead(made.key.data(), false, Aead::Use::kSeal);
  return made;
}

// What seals as OpenSSL does under that key.
bool IsRight(const Direction& direction) {
  return Seal(*direction.aead) == Seal(*NewOpensslAead(direction.key.data(), false, Aead::Use::kSeal));
}

}  // namespace

TEST("each of thousands of keys seals as OpenSSL does under it: in turn, and when others have ended") {
  std::vector<Direction> all;
  for (size_t i = 0; i < 2000; i++) all.push_back(Make(i));
  for (int round = 0; round < 2; round++) {
    for (const Direction& direction : all) CHECK(IsRight(direction));
  }
  // Each third ends, and others begin.
  for (size_t i = 0; i < all.size(); i += 3) all[i] = Make(3000 + i);
  for (size_t i = all.size(); i-- > 0;) CHECK(IsRight(all[i]));
}

TEST("a key that a thread had used before it ended is given up by another one, whose own keys stay") {
  Direction direction = Make(1);
  std::thread([&] { CHECK(IsRight(direction)); }).join();
  Direction own = Make(2);
  CHECK(IsRight(own));
  direction.aead = nullptr;
  CHECK(IsRight(own));
}

}  // namespace idloc::test
