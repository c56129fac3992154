#include "link/aead.h"

#include <cstdlib>
#include <cstring>

namespace idloc {

namespace {

bool UseIpsecMb() {
  static const bool use = [] {
    const char* wanted = std::getenv("IDLOC_AEAD");
    return HasIpsecMb() && (wanted == nullptr || std::strcmp(wanted, "openssl") != 0);
  }();
  return use;
}

}  // namespace

std::unique_ptr<Aead> NewAead(const uint8_t* key, bool wide, Aead::Use use) {
  return UseIpsecMb() ? NewIpsecMbAead(key, wide) : NewOpensslAead(key, wide, use);
}

const char* AeadName() { return UseIpsecMb() ? "ipsec-mb" : "openssl"; }

}  // namespace idloc
