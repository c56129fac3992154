#include <napi.h>

#include <utility>

#include "binding/exports.h"
#include "binding/values.h"
#include "net/bound_socket.h"

namespace idloc {

namespace {

// (transport, address, port, interface): the descriptor, which the caller owns
Napi::Value Bind(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string transport = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
  if ((transport != "udp" && transport != "tcp") || !info[3].IsString()) {
    ThrowType(env, "expected (\"udp\" or \"tcp\", address, port, interface)");
    return env.Undefined();
  }
  auto address = GetAddress(info[1]);
  if (!address.has_value()) return env.Undefined();
  auto port = GetUint32(info[2]);
  if (!port.has_value()) return env.Undefined();
  Endpoint local{*address, static_cast<uint16_t>(*port)};
  Fd fd;
  Error error = BindSocket(transport == "udp" ? Transport::kUdp : Transport::kTcp, local,
                           info[3].As<Napi::String>().Utf8Value(), &fd);
  if (error.failed()) {
    ThrowError(env, error);
    return env.Undefined();
  }
  return Napi::Number::New(env, fd.Release());
}

// (descriptor): {address, port}, undefined when it does not listen for connections
Napi::Value ListeningAddress(const Napi::CallbackInfo& info) {
  auto fd = GetUint32(info[0]);
  if (!fd.has_value()) return info.Env().Undefined();
  auto local = ListensAt(static_cast<int>(*fd));
  if (!local.has_value()) return info.Env().Undefined();
  return ToSocketAddress(info.Env(), *local);
}

}  // namespace

void DefineSockets(Napi::Env env, Napi::Object exports) {
  exports.Set("bindSocket", Napi::Function::New(env, Bind));
  exports.Set("listeningAddress", Napi::Function::New(env, ListeningAddress));
}

}  // namespace idloc
