#include <napi.h>

#include "base/clock.h"
#include "base/counters.h"
#include "binding/exports.h"
#include "link/aead.h"

namespace idloc {

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("DataPlane", DefineDataPlane(env));
  exports.Set("PathSet", DefinePathSet(env));
  exports.Set("monotonic", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::Number::New(info.Env(), static_cast<double>(MonotonicNow()) / 1e6);
              }));
  Napi::Array names = Napi::Array::New(env, Counters::kCount);
  for (uint32_t i = 0; i < Counters::kCount; i++) names.Set(i, Napi::String::New(env, kCounterNames[i]));
  exports.Set("counterNames", names);
  exports.Set("aead", Napi::String::New(env, AeadName()));
  DefineNetlink(env, exports);
  DefineSignature(env, exports);
  DefineSockets(env, exports);
  DefineSystemd(env, exports);
  return exports;
}

}  // namespace

}  // namespace idloc

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return idloc::Init(env, exports); }

NODE_API_MODULE(idloc, InitAddon)
