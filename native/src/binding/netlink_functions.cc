#include <napi.h>

#include "binding/exports.h"
#include "binding/values.h"
#include "net/netlink.h"

namespace idloc {

namespace {

std::optional<Prefix> GetPrefix(const Napi::Value& value) {
  std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  size_t slash = text.find('/');
  auto address = IpAddress::Parse(text.substr(0, slash));
  bool digits = slash != std::string::npos && slash + 1 < text.size() && text.size() - slash <= 4 &&
                text.find_first_not_of("0123456789", slash + 1) == std::string::npos;
  int length = digits ? std::stoi(text.substr(slash + 1)) : -1;
  if (!address.has_value() || length < 0 || length > (address->is_v4() ? 32 : 128)) {
    ThrowType(value.Env(), "expected an address with a prefix length, such as 198.18.0.1/15");
    return std::nullopt;
  }
  return Prefix{*address, length};
}

Napi::Value Addresses(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<InterfaceAddress> list;
  Error error = ListAddresses(&list);
  if (error.failed()) {
    ThrowError(env, error);
    return env.Undefined();
  }
  Napi::Array out = Napi::Array::New(env, list.size());
  for (uint32_t i = 0; i < list.size(); i++) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("interfaceName", Napi::String::New(env, list[i].interface_name));
    entry.Set("address", Napi::String::New(env, list[i].address.ToString()));
    entry.Set("prefixLength", Napi::Number::New(env, list[i].prefix_length));
    entry.Set("usable", Napi::Boolean::New(env, list[i].usable));
    entry.Set("deprecated", Napi::Boolean::New(env, list[i].deprecated));
    entry.Set("kind", Napi::String::New(env, list[i].kind));
    Napi::Array ports = Napi::Array::New(env, list[i].port_kinds.size());
    for (uint32_t port = 0; port < list[i].port_kinds.size(); port++)
      ports.Set(port, Napi::String::New(env, list[i].port_kinds[port]));
    entry.Set("portKinds", ports);
    entry.Set("loopback", Napi::Boolean::New(env, list[i].loopback));
    out.Set(i, entry);
  }
  return out;
}

// (name, mtu, txQueueLength, gsoMaxSegments, addresses)
void Configure(const Napi::CallbackInfo& info) {
  auto mtu = GetUint32(info[1]);
  if (!mtu.has_value()) return;
  auto queue = GetUint32(info[2]);
  if (!queue.has_value()) return;
  auto segments = GetUint32(info[3]);
  if (!segments.has_value()) return;
  if (!info[0].IsString() || !info[4].IsArray()) {
    ThrowType(info.Env(), "expected (name, MTU, queue length, segments, addresses)");
    return;
  }
  std::vector<Prefix> prefixes;
  auto list = info[4].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    auto prefix = GetPrefix(list.Get(i));
    if (!prefix.has_value()) return;
    prefixes.push_back(*prefix);
  }
  InterfaceSettings settings{*mtu, *queue, *segments};
  Error error = ConfigureInterface(info[0].As<Napi::String>().Utf8Value(), settings, prefixes);
  if (error.failed()) ThrowError(info.Env(), error);
}

// (name): whether it is up, and its MTU; undefined when there is none
Napi::Value GetState(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsString()) {
    ThrowType(env, "expected the name of an interface");
    return env.Undefined();
  }
  std::optional<InterfaceState> state;
  Error error = GetInterface(info[0].As<Napi::String>().Utf8Value(), &state);
  if (error.failed()) ThrowError(env, error);
  if (!state.has_value()) return env.Undefined();
  Napi::Object out = Napi::Object::New(env);
  out.Set("up", Napi::Boolean::New(env, state->up));
  out.Set("mtu", Napi::Number::New(env, state->mtu));
  return out;
}

std::optional<RouteChange> GetRoute(const Napi::CallbackInfo& info) {
  auto destination = GetPrefix(info[0]);
  if (!destination.has_value()) return std::nullopt;
  auto metric = GetUint32(info[2]);
  if (!metric.has_value()) return std::nullopt;
  auto table = GetUint32(info[3]);
  if (!table.has_value()) return std::nullopt;
  std::string name = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
  return RouteChange{*destination, name, *metric, *table};
}

std::optional<RuleChange> GetRule(const Napi::CallbackInfo& info) {
  auto source = GetPrefix(info[0]);
  if (!source.has_value()) return std::nullopt;
  auto table = GetUint32(info[1]);
  if (!table.has_value()) return std::nullopt;
  auto priority = GetUint32(info[2]);
  if (!priority.has_value()) return std::nullopt;
  return RuleChange{*source, *table, *priority};
}

// (destination, interface name or null, metric, table)
template <Error (*change)(const RouteChange&)>
void ChangeRoute(const Napi::CallbackInfo& info) {
  auto route = GetRoute(info);
  if (!route.has_value()) return;
  Error error = change(*route);
  if (error.failed()) ThrowError(info.Env(), error);
}

// As ChangeRoute: whether it was missing
Napi::Value AddMissingRoute(const Napi::CallbackInfo& info) {
  auto route = GetRoute(info);
  if (!route.has_value()) return info.Env().Undefined();
  bool added = false;
  Error error = AddRoute(*route, &added);
  if (error.failed()) ThrowError(info.Env(), error);
  return Napi::Boolean::New(info.Env(), added);
}

// (source, table, priority): whether it was missing
Napi::Value AddMissingRule(const Napi::CallbackInfo& info) {
  auto rule = GetRule(info);
  if (!rule.has_value()) return info.Env().Undefined();
  bool added = false;
  Error error = AddRule(*rule, &added);
  if (error.failed()) ThrowError(info.Env(), error);
  return Napi::Boolean::New(info.Env(), added);
}

void RemoveRule(const Napi::CallbackInfo& info) {
  auto rule = GetRule(info);
  if (!rule.has_value()) return;
  Error error = DeleteRule(*rule);
  if (error.failed()) ThrowError(info.Env(), error);
}

Napi::Value Source(const Napi::CallbackInfo& info) {
  auto remote = GetAddress(info[0]);
  if (!remote.has_value()) return info.Env().Undefined();
  auto source = SourceFor(*remote);
  if (!source.has_value()) return info.Env().Undefined();
  return Napi::String::New(info.Env(), source->ToString());
}

}  // namespace

void DefineNetlink(Napi::Env env, Napi::Object exports) {
  Napi::Object netlink = Napi::Object::New(env);
  netlink.Set("addresses", Napi::Function::New(env, Addresses));
  netlink.Set("configureInterface", Napi::Function::New(env, Configure));
  netlink.Set("interfaceState", Napi::Function::New(env, GetState));
  netlink.Set("addRoute", Napi::Function::New(env, AddMissingRoute));
  netlink.Set("setRoute", Napi::Function::New(env, ChangeRoute<SetRoute>));
  netlink.Set("deleteRoute", Napi::Function::New(env, ChangeRoute<DeleteRoute>));
  netlink.Set("addRule", Napi::Function::New(env, AddMissingRule));
  netlink.Set("deleteRule", Napi::Function::New(env, RemoveRule));
  netlink.Set("sourceFor", Napi::Function::New(env, Source));
  exports.Set("netlink", netlink);
}

}  // namespace idloc
