#include <napi.h>

#include "binding/exports.h"
#include "binding/values.h"
#include "signature/p256_verifier.h"

namespace idloc {

namespace {

// (point, data, signature)
Napi::Value Verify(const Napi::CallbackInfo& info) {
  // Of this environment's thread.
  static thread_local P256Verifier verifier;
  Napi::Env env = info.Env();
  bool known = IsBytes(info[0]) && IsBytes(info[1]) && IsBytes(info[2]) &&
               info[0].As<Napi::Uint8Array>().ByteLength() == P256Verifier::kPointBytes;
  if (!known) {
    ThrowType(env, "expected (point of 65 bytes, data, signature)");
    return env.Undefined();
  }
  auto point = info[0].As<Napi::Uint8Array>();
  auto data = info[1].As<Napi::Uint8Array>();
  auto signature = info[2].As<Napi::Uint8Array>();
  return Napi::Boolean::New(env, verifier.Verify(point.Data(), data.Data(), data.ByteLength(),
                                                 signature.Data(), signature.ByteLength()));
}

}  // namespace

void DefineSignature(Napi::Env env, Napi::Object exports) {
  exports.Set("verifyP256", Napi::Function::New(env, Verify));
}

}  // namespace idloc
