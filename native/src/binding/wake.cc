#include "binding/wake.h"

#include <utility>

namespace idloc {

Wake::Wake(Napi::Env env, Napi::Function callback, std::function<void()> taken)
    : env_(env),
      callback_(Napi::Persistent(callback)),
      context_(env, "idloc data plane"),
      taken_(std::move(taken)) {}

Wake* Wake::Open(Napi::Env env, Napi::Function callback, std::function<void()> taken) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  auto* wake = new Wake(env, callback, std::move(taken));
  wake->async_.data = wake;
  if (uv_async_init(loop, &wake->async_, Call) != 0) {
    delete wake;
    return nullptr;
  }
  auto ended = [](napi_async_cleanup_hook_handle, void* data) { static_cast<Wake*>(data)->Close(); };
  if (napi_add_async_cleanup_hook(env, ended, wake, &wake->hook_) != napi_ok) {
    wake->Close();
    return nullptr;
  }
  return wake;
}

void Wake::Close() {
  auto* handle = reinterpret_cast<uv_handle_t*>(&async_);
  if (uv_is_closing(handle) != 0) return;
  // Here and not in Closed, which comes too late for references when node ends.
  callback_.Reset();
  uv_close(handle, Closed);
}

void Wake::Closed(uv_handle_t* handle) {
  auto* wake = static_cast<Wake*>(handle->data);
  napi_async_cleanup_hook_handle hook = wake->hook_;
  delete wake;
  if (hook != nullptr) napi_remove_async_cleanup_hook(hook);
}

void Wake::Call(uv_async_t* async) {
  auto* wake = static_cast<Wake*>(async->data);
  Napi::Env env = wake->env_;
  Napi::HandleScope scope(env);
  wake->taken_();
  // Not by the wrapper, which throws where a worker that is being ended runs no JavaScript any more: that
  // ends the process.
  napi_status status =
      napi_make_callback(env, wake->context_, env.Global(), wake->callback_.Value(), 0, nullptr, nullptr);
  napi_value error = nullptr;
  // Nobody above could catch it.
  if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    napi_fatal_exception(env, error);
  }
}

}  // namespace idloc
