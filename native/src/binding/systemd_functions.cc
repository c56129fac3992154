#include <napi.h>

#include <cstring>

#include "binding/exports.h"
#include "binding/values.h"
#include "systemd/notification.h"

namespace idloc {

namespace {

// (socket, text)
void Notify(const Napi::CallbackInfo& info) {
  if (!info[0].IsString() || !info[1].IsString()) {
    ThrowType(info.Env(), "expected (socket, text)");
    return;
  }
  std::string socket = info[0].As<Napi::String>().Utf8Value();
  int number = SendNotification(socket, info[1].As<Napi::String>().Utf8Value());
  if (number == 0) return;
  const char* name = strerrorname_np(number);
  ThrowError(info.Env(),
             {name == nullptr ? "EUNKNOWN" : name,
              "cannot notify systemd at " + socket + ": " + std::strerror(number) + "; check NOTIFY_SOCKET"});
}

}  // namespace

void DefineSystemd(Napi::Env env, Napi::Object exports) {
  exports.Set("notifySystemd", Napi::Function::New(env, Notify));
}

}  // namespace idloc
