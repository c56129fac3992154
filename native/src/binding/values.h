#pragma once
// Between JavaScript values and C++ ones. Getters check the type: a wrong one throws a TypeError and returns
// nothing.
#include <napi.h>

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/address.h"

namespace idloc {

inline void ThrowError(Napi::Env env, const Error& error) {
  Napi::Error made = Napi::Error::New(env, error.message);
  made.Value().Set("code", Napi::String::New(env, error.code));
  made.ThrowAsJavaScriptException();
}

// Does nothing while another exception waits: the first one tells what is wrong.
inline void ThrowType(Napi::Env env, const char* what) {
  if (!env.IsExceptionPending()) Napi::TypeError::New(env, what).ThrowAsJavaScriptException();
}

inline bool IsBytes(const Napi::Value& value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
}

inline std::optional<std::vector<uint8_t>> GetBytes(const Napi::Value& value) {
  if (!IsBytes(value)) {
    ThrowType(value.Env(), "expected a Uint8Array");
    return std::nullopt;
  }
  auto array = value.As<Napi::Uint8Array>();
  return std::vector<uint8_t>(array.Data(), array.Data() + array.ByteLength());
}

inline std::optional<uint32_t> GetUint32(const Napi::Value& value) {
  if (!value.IsNumber()) {
    ThrowType(value.Env(), "expected a number");
    return std::nullopt;
  }
  return value.As<Napi::Number>().Uint32Value();
}

inline std::optional<IpAddress> GetAddress(const Napi::Value& value) {
  std::optional<IpAddress> address;
  if (value.IsString()) address = IpAddress::Parse(value.As<Napi::String>().Utf8Value());
  if (!address.has_value()) ThrowType(value.Env(), "expected an IP address");
  return address;
}

// null is an address that is not set.
inline std::optional<IpAddress> GetAddressOrNull(const Napi::Value& value) {
  if (value.IsNull()) return IpAddress{};
  return GetAddress(value);
}

inline Napi::Value ToBytes(Napi::Env env, const std::vector<uint8_t>& bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

inline Napi::Value ToSocketAddress(Napi::Env env, const Endpoint& endpoint) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("address", Napi::String::New(env, endpoint.address.ToString()));
  out.Set("port", Napi::Number::New(env, endpoint.port));
  return out;
}

}  // namespace idloc
