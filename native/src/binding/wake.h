#pragma once
// How another thread has a JavaScript function called. Unlike node's thread-safe functions it takes no lock,
// neither there nor on the event loop.
#include <napi.h>
#include <uv.h>

#include <functional>

namespace idloc {

class Wake {
 public:
  // `taken` runs on the event loop before each call of `callback`. nullptr: node gives none.
  static Wake* Open(Napi::Env env, Napi::Function callback, std::function<void()> taken);
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  // Any thread, until Close. Several become one call.
  void Ask() { uv_async_send(&async_); }
  // On the event loop. Nothing is called any more; the object goes when libuv has let go of it.
  void Close();

 private:
  Wake(Napi::Env env, Napi::Function callback, std::function<void()> taken);
  ~Wake() = default;

  static void Call(uv_async_t* async);
  static void Closed(uv_handle_t* handle);

  Napi::Env env_;
  Napi::FunctionReference callback_;
  Napi::AsyncContext context_;
  std::function<void()> taken_;
  uv_async_t async_{};
  // Node ends no environment before libuv has let go.
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

}  // namespace idloc
