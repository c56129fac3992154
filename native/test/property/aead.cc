#include "link/aead.h"

#include <algorithm>

#include "property/properties.h"
#include "support/check.h"

namespace idloc::test {

namespace {

struct Sealed {
  Bytes text;
  Bytes tag;
};

Sealed Seal(Aead& aead, const Bytes& nonce, const Bytes& additional, Bytes text) {
  Bytes tag(Aead::kTagBytes);
  // Never nullptr, as in a record.
  text.reserve(1);
  CHECK(aead.Seal(nonce.data(), additional.data(), additional.size(), text.data(), text.size(), tag.data()));
  return {std::move(text), std::move(tag)};
}

bool Opens(Aead& aead, const Bytes& nonce, const Bytes& additional, Sealed sealed, const Bytes& original) {
  sealed.text.reserve(1);
  if (!aead.Open(nonce.data(), additional.data(), additional.size(), sealed.text.data(), sealed.text.size(),
                 sealed.tag.data()))
    return false;
  CHECK(sealed.text == original);
  return true;
}

void FlipBit(Source& source, Bytes& bytes) {
  bytes[source.Below(bytes.size())] ^= static_cast<uint8_t>(1 << source.Below(8));
}

}  // namespace

void SealsAsTheOtherDoes(Source& source) {
  bool wide = source.OneIn(2);
  Bytes key = source.Take(wide ? 32 : 16);
  struct Both {
    std::unique_ptr<Aead> sealer;
    std::unique_ptr<Aead> opener;
  };
  std::vector<Both> all;
  all.push_back({NewOpensslAead(key.data(), wide, Aead::Use::kSeal),
                 NewOpensslAead(key.data(), wide, Aead::Use::kOpen)});
  if (HasIpsecMb()) all.push_back({NewIpsecMbAead(key.data(), wide), NewIpsecMbAead(key.data(), wide)});

  // One key for several records, as on a link.
  for (size_t count = source.Between(1, 4); count > 0; count--) {
    Bytes nonce = source.Take(Aead::kNonceBytes);
    Bytes additional = source.Take(source.OneIn(2) ? 13 : source.Between(23, 43));
    Bytes text = source.Take(source.OneIn(8) ? source.Below(9000) : source.Below(400));
    Sealed first = Seal(*all[0].sealer, nonce, additional, text);
    for (const Both& one : all) {
      Sealed sealed = Seal(*one.sealer, nonce, additional, text);
      CHECK(sealed.text == first.text && sealed.tag == first.tag);
      CHECK(Opens(*one.opener, nonce, additional, sealed, text));

      Bytes other_nonce = nonce;
      Bytes other_additional = additional;
      size_t what = source.Below(text.empty() ? 3 : 4);
      FlipBit(source, what == 0   ? sealed.tag
                      : what == 1 ? other_nonce
                      : what == 2 ? other_additional
                                  : sealed.text);
      CHECK(!Opens(*one.opener, other_nonce, other_additional, sealed, text));
      // A record that was refused leaves nothing behind.
      CHECK(Opens(*one.opener, nonce, additional, first, text));
    }
  }
}

}  // namespace idloc::test
