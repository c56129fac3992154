// The class DataPlane of the addon. Its JavaScript side (src/native/native.ts) checks arguments; they are
// checked again here, since C++ must not trust the caller's types.
#include <napi.h>

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "binding/exports.h"
#include "binding/values.h"
#include "binding/wake.h"
#include "data_plane/data_plane.h"

namespace idloc {

namespace {

class DataPlaneObject : public Napi::ObjectWrap<DataPlaneObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "DataPlane",
                       {
                           InstanceMethod<&DataPlaneObject::Drain>("drain"),
                           InstanceMethod<&DataPlaneObject::SendDatagramTo>("sendDatagram"),
                           InstanceMethod<&DataPlaneObject::SetCredentialsTo>("setCredentials"),
                           InstanceMethod<&DataPlaneObject::Open>("openLink"),
                           InstanceMethod<&DataPlaneObject::Bind>("bindRemote"),
                           InstanceMethod<&DataPlaneObject::Unbind>("unbindRemote"),
                           InstanceMethod<&DataPlaneObject::PostPath<SetPath>>("setPath"),
                           InstanceMethod<&DataPlaneObject::PostPath<AddPath>>("addPath"),
                           InstanceMethod<&DataPlaneObject::ClearPathOf>("clearPath"),
                           InstanceMethod<&DataPlaneObject::CloseOne>("closeLink"),
                           InstanceMethod<&DataPlaneObject::RestLink>("rest"),
                           InstanceMethod<&DataPlaneObject::AuthorizeLink>("authorize"),
                           InstanceMethod<&DataPlaneObject::RefuseAddress>("refuse"),
                           InstanceMethod<&DataPlaneObject::SetLocal>("setLocalAddresses"),
                           InstanceMethod<&DataPlaneObject::SendRecordTo>("sendRecord"),
                           InstanceMethod<&DataPlaneObject::SetPathMtuTo>("setPathMtu"),
                           InstanceMethod<&DataPlaneObject::SendProbeTo>("sendProbe"),
                           InstanceMethod<&DataPlaneObject::SetRelayTo>("setRelay"),
                           InstanceMethod<&DataPlaneObject::Dial>("dialStream"),
                           InstanceMethod<&DataPlaneObject::DialTurnServer>("dialTurnServer"),
                           InstanceMethod<&DataPlaneObject::HangUpTurnServer>("hangUpTurnServer"),
                           InstanceMethod<&DataPlaneObject::ShowCertificate>("showStreamCertificate"),
                           InstanceMethod<&DataPlaneObject::BindChannel>("setTurnChannel"),
                           InstanceMethod<&DataPlaneObject::UnbindChannel>("removeTurnChannel"),
                           InstanceMethod<&DataPlaneObject::SetTurnQuotaTo>("setTurnQuota"),
                           InstanceMethod<&DataPlaneObject::OpenAllocation>("openTurnAllocation"),
                           InstanceMethod<&DataPlaneObject::CloseAllocation>("closeTurnAllocation"),
                           InstanceMethod<&DataPlaneObject::PermitPeer>("permitTurnPeer"),
                           InstanceMethod<&DataPlaneObject::LinkCounters>("linkCounters"),
                           InstanceMethod<&DataPlaneObject::AskPathReports>("askPaths"),
                           InstanceMethod<&DataPlaneObject::TakePathReports>("takePaths"),
                           InstanceMethod<&DataPlaneObject::Close>("close"),
                           InstanceAccessor<&DataPlaneObject::Port>("port"),
                           InstanceAccessor<&DataPlaneObject::CounterView>("counters"),
                       });
  }

  // new DataPlane(port, tunName or null, tunMtu, wake, limits, connectionIds = true, copyDscp = false,
  //               rekeyAfterRecords = 2^24, keepaliveMs = 16,000, forbiddenUplinks = [], preferredUplinks =
  //               [], streams = {listen: [{address, port}], inherited: [fd], serverName: text, alpn: [text],
  //               certificates: PEM, key: PEM, servesTurn})
  explicit DataPlaneObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DataPlaneObject>(info) {
    Napi::Env env = info.Env();
    auto port = GetUint32(info[0]);
    auto mtu = GetUint32(info[2]);
    if (!port.has_value() || !mtu.has_value()) return;
    if (*port > 65535 || !(info[1].IsNull() || info[1].IsString()) || !info[3].IsFunction() ||
        !info[4].IsObject() || !(info[5].IsUndefined() || info[5].IsBoolean()) ||
        !(info[6].IsUndefined() || info[6].IsBoolean()) || !(info[7].IsUndefined() || info[7].IsNumber()) ||
        !(info[8].IsUndefined() || info[8].IsNumber())) {
      ThrowType(
          env,
          "expected (port, TUN name or null, TUN MTU, wake, limits, connection IDs, copy DSCP, records, ms)");
      return;
    }
    auto plane = std::make_unique<DataPlane>();
    DataPlane::Options options;
    options.port = static_cast<uint16_t>(*port);
    if (info[1].IsString()) options.tun_name = info[1].As<Napi::String>().Utf8Value();
    options.tun_mtu = static_cast<int>(*mtu);
    auto limits = GetLimits(info[4].As<Napi::Object>());
    if (!limits.has_value()) return;
    options.limits = *limits;
    if (info[5].IsBoolean()) options.connection_ids = info[5].As<Napi::Boolean>().Value();
    if (info[6].IsBoolean()) options.copy_dscp = info[6].As<Napi::Boolean>().Value();
    if (info[7].IsNumber()) {
      auto records = GetUint32(info[7]);
      if (!records.has_value()) return;
      options.rekey_records = *records;
    }
    if (info[8].IsNumber()) {
      auto keepalive = GetUint32(info[8]);
      if (!keepalive.has_value()) return;
      options.keepalive = Nanoseconds{*keepalive} * kMillisecond;
    }
    auto forbidden = GetNames(info[9]);
    auto preferred = GetNames(info[10]);
    if (!forbidden.has_value() || !preferred.has_value()) return;
    options.forbidden_uplinks = std::move(*forbidden);
    options.preferred_uplinks = std::move(*preferred);
    auto streams = GetStreams(info[11]);
    if (!streams.has_value()) return;
    options.streams = std::move(*streams);
    wake_ = Wake::Open(env, info[3].As<Napi::Function>(), [this] { plane_->WakeTaken(); });
    if (wake_ == nullptr) {
      ThrowError(env, {"no_wake", "node gives no way to wake it; it may be shutting down"});
      return;
    }
    // The thread calls it only between Open and Close, and Shutdown closes the plane first.
    options.wake = [wake = wake_] { wake->Ask(); };
    Error error = plane->Open(std::move(options));
    if (error.failed()) {
      std::exchange(wake_, nullptr)->Close();
      ThrowError(env, error);
      return;
    }
    plane_ = std::move(plane);
    port_ = plane_->port();
    counters_ = plane_->counters();
    // Hooks run last in, first out: the thread ends before the way to wake the event loop does.
    napi_add_env_cleanup_hook(env, Cleanup, this);
    // The object stays while its thread runs, whoever has forgotten it.
    Ref();
  }

  ~DataPlaneObject() override = default;

 private:
  // Undefined: none.
  static std::optional<std::vector<std::string>> GetNames(const Napi::Value& value) {
    std::vector<std::string> out;
    if (value.IsUndefined()) return out;
    bool right = value.IsArray();
    for (uint32_t i = 0; right && i < value.As<Napi::Array>().Length(); i++) {
      Napi::Value name = value.As<Napi::Array>().Get(i);
      right = name.IsString();
      if (right) out.push_back(name.As<Napi::String>().Utf8Value());
    }
    if (right) return out;
    ThrowType(value.Env(), "expected an array of names");
    return std::nullopt;
  }

  // Undefined: none are accepted.
  static std::optional<Streams::Options> GetStreams(const Napi::Value& value) {
    Streams::Options out;
    if (value.IsUndefined()) return out;
    Napi::Object object = value.IsObject() ? value.As<Napi::Object>() : Napi::Object::New(value.Env());
    Napi::Value listen = object.Get("listen");
    Napi::Value inherited = object.Get("inherited");
    Napi::Value name = object.Get("serverName");
    Napi::Value certificates = object.Get("certificates");
    Napi::Value key = object.Get("key");
    Napi::Value turn = object.Get("servesTurn");
    if (!listen.IsArray() || !inherited.IsArray() || !name.IsString() || !certificates.IsString() ||
        !key.IsString() || !turn.IsBoolean()) {
      ThrowType(value.Env(), "expected {listen, inherited, serverName, alpn, certificates, key, servesTurn}");
      return std::nullopt;
    }
    auto alpn = GetNames(object.Get("alpn"));
    if (!alpn.has_value()) return std::nullopt;
    out.guise = {name.As<Napi::String>().Utf8Value(), std::move(*alpn)};
    out.certificate = {certificates.As<Napi::String>().Utf8Value(), key.As<Napi::String>().Utf8Value()};
    out.serves_turn = turn.As<Napi::Boolean>().Value();
    for (uint32_t i = 0; i < listen.As<Napi::Array>().Length(); i++) {
      Napi::Value one = listen.As<Napi::Array>().Get(i);
      Napi::Object pair = one.IsObject() ? one.As<Napi::Object>() : Napi::Object::New(value.Env());
      auto address = GetAddress(pair.Get("address"));
      if (!address.has_value()) return std::nullopt;
      auto port = GetUint32(pair.Get("port"));
      if (!port.has_value()) return std::nullopt;
      out.listen.push_back({*address, static_cast<uint16_t>(*port)});
    }
    for (uint32_t i = 0; i < inherited.As<Napi::Array>().Length(); i++) {
      auto fd = GetUint32(inherited.As<Napi::Array>().Get(i));
      if (!fd.has_value()) return std::nullopt;
      out.inherited.push_back(static_cast<int>(*fd));
    }
    return out;
  }

  static std::optional<Limits> GetLimits(const Napi::Object& object) {
    Limits out;
    const std::pair<const char*, size_t*> fields[] = {
        {"halfOpenHandshakes", &out.half_open_handshakes},
        {"heldBytes", &out.held_bytes},
        {"earlyBytes", &out.early_bytes},
        {"queuedBytes", &out.queued_bytes},
        {"eventBytes", &out.event_bytes},
        {"linkEvents", &out.link_events},
    };
    for (const auto& [name, value] : fields) {
      Napi::Value given = object.Get(name);
      if (given.IsUndefined()) continue;
      auto number = GetUint32(given);
      if (!number.has_value()) return std::nullopt;
      *value = *number;
    }
    return out;
  }

  static void Cleanup(void* data) { static_cast<DataPlaneObject*>(data)->Shutdown(); }

  void Shutdown() {
    if (plane_ == nullptr) return;
    plane_->Close();
    plane_ = nullptr;
    std::exchange(wake_, nullptr)->Close();
  }

  // Commands after close() do nothing, as commands for closed links.
  void Post(Command command) {
    if (plane_ != nullptr) plane_->Post(std::move(command));
  }

  Napi::Value Port(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), port_); }

  Napi::Value CounterView(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    if (counters_ == nullptr) return env.Undefined();
    // The buffer shares the ownership: the view stays readable after close().
    auto* owner = new std::shared_ptr<Counters>(counters_);
    auto buffer = Napi::ArrayBuffer::New(
        env, counters_->data(), Counters::kCount * sizeof(uint64_t),
        [](Napi::Env, void*, std::shared_ptr<Counters>* shared) { delete shared; }, owner);
    return Napi::BigUint64Array::New(env, Counters::kCount, buffer, 0);
  }

  Napi::Value Drain(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    Napi::Array out = Napi::Array::New(env);
    auto max = GetUint32(info[0]);
    if (!max.has_value() || plane_ == nullptr) return out;
    Event event;
    for (uint32_t i = 0; i < *max && plane_->PopEvent(&event); i++) {
      out.Set(i, ToObject(env, event));
    }
    return out;
  }

  static Napi::Value ToObject(Napi::Env env, const Event& event) {
    Napi::Object out = Napi::Object::New(env);
    auto type = [&](const char* name) { out.Set("type", Napi::String::New(env, name)); };
    auto link = [&] { out.Set("link", Napi::Number::New(env, event.link)); };
    auto addresses = [&] {
      out.Set("local", ToSocketAddress(env, event.local));
      out.Set("remote", ToSocketAddress(env, event.remote));
    };
    auto data = [&](const char* name) { out.Set(name, ToBytes(env, event.data)); };
    auto at = [&] { out.Set("at", Napi::Number::New(env, static_cast<double>(event.at) / 1e6)); };
    switch (event.type) {
      case EventType::kStun:
        type("stun");
        addresses();
        data("data");
        at();
        break;
      case EventType::kForeign:
        type("foreign");
        addresses();
        data("data");
        break;
      case EventType::kIncoming:
        type("incoming");
        link();
        addresses();
        break;
      case EventType::kConnected: {
        type("connected");
        link();
        Napi::Array certificates = Napi::Array::New(env, event.certificates.size());
        for (uint32_t i = 0; i < event.certificates.size(); i++)
          certificates.Set(i, ToBytes(env, event.certificates[i]));
        out.Set("certificates", certificates);
        data("exporter");
        break;
      }
      case EventType::kClosed:
        type("closed");
        link();
        out.Set("reason", Napi::String::New(env, event.reason));
        break;
      case EventType::kRecord:
        type("record");
        link();
        data("data");
        at();
        break;
      case EventType::kMiss:
        type("miss");
        out.Set("address", Napi::String::New(env, event.remote.address.ToString()));
        break;
      case EventType::kUnknown:
        type("unknown");
        addresses();
        break;
      case EventType::kMoved:
        type("moved");
        link();
        addresses();
        out.Set("cause", Napi::String::New(env, NameOf(event.cause)));
        break;
      case EventType::kNoPath:
        type("noPath");
        link();
        break;
      case EventType::kUnheard:
        type("unheard");
        link();
        break;
      case EventType::kStirred:
        type("stirred");
        link();
        out.Set("cause", Napi::String::New(env, event.silent ? "silence" : "traffic"));
        out.Set("heardAt", Napi::Number::New(env, static_cast<double>(event.heard_at) / 1e6));
        break;
      case EventType::kNetwork:
        type("network");
        break;
      case EventType::kTunChanged:
        type("tunChanged");
        break;
      case EventType::kPaths:
        type("paths");
        break;
      case EventType::kTunLost:
        type("tunLost");
        break;
      case EventType::kNewPath:
        type("newPath");
        link();
        out.Set("remote", ToSocketAddress(env, event.remote));
        break;
      case EventType::kLargeSent:
        type("largeSent");
        link();
        break;
      case EventType::kTurnEnded:
        type("turnEnded");
        out.Set("stream", Napi::Number::New(env, event.link));
        out.Set("reason", Napi::String::New(env, event.reason));
        break;
      case EventType::kTurnLeft:
        type("turnLeft");
        out.Set("local", ToSocketAddress(env, event.local));
        out.Set("remote", ToSocketAddress(env, event.remote));
        break;
    }
    return out;
  }

  // (local or null, remote, port, data)
  void SendDatagramTo(const Napi::CallbackInfo& info) {
    auto path = GetPath(info, 0);
    if (!path.has_value()) return;
    auto data = GetBytes(info[3]);
    if (data.has_value() && !data->empty()) Post(SendDatagram{*path, std::move(*data)});
  }

  // (certificates, private key)
  void SetCredentialsTo(const Napi::CallbackInfo& info) {
    if (!info[0].IsArray()) {
      ThrowType(info.Env(), "expected an array of certificates");
      return;
    }
    auto list = info[0].As<Napi::Array>();
    std::vector<std::vector<uint8_t>> certificates;
    for (uint32_t i = 0; i < list.Length(); i++) {
      auto certificate = GetBytes(list.Get(i));
      if (!certificate.has_value()) return;
      certificates.push_back(std::move(*certificate));
    }
    auto key = GetBytes(info[1]);
    if (!key.has_value()) return;
    SslContext context;
    Error error = MakeSslContext(certificates, *key, &context);
    OPENSSL_cleanse(key->data(), key->size());
    if (error.failed()) {
      ThrowError(info.Env(), error);
      return;
    }
    Post(SetCredentials{std::move(context)});
  }

  // (server)
  Napi::Value Open(const Napi::CallbackInfo& info) {
    if (!info[0].IsBoolean()) {
      ThrowType(info.Env(), "expected a boolean");
      return info.Env().Undefined();
    }
    // After close() no link has number 0.
    LinkId id = plane_ == nullptr ? 0 : plane_->NewLink(info[0].As<Napi::Boolean>().Value());
    return Napi::Number::New(info.Env(), id);
  }

  // (link, remote, port)
  void Bind(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    if (!link.has_value()) return;
    auto remote = GetEndpoint(info, 1);
    if (remote.has_value()) Post(BindRemote{*link, *remote});
  }

  void Unbind(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    if (!link.has_value()) return;
    auto remote = GetEndpoint(info, 1);
    if (remote.has_value()) Post(UnbindRemote{*link, *remote});
  }

  // (link, local or null, remote, port, preference); of addPath also: expected
  template <typename PathCommand>
  void PostPath(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    if (!link.has_value()) return;
    auto path = GetPath(info, 1);
    auto preference = GetUint32(info[4]);
    if (!path.has_value() || !preference.has_value()) return;
    PathCommand command{*link, *path, static_cast<uint8_t>(*preference)};
    if constexpr (std::is_same_v<PathCommand, AddPath>) command.expected = info[5].ToBoolean().Value();
    Post(std::move(command));
  }

  void ClearPathOf(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    if (link.has_value()) Post(ClearPath{*link});
  }

  void CloseOne(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    if (link.has_value() && plane_ != nullptr) plane_->RemoveLink(*link);
  }

  // (link, asleep)
  void RestLink(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    if (link.has_value()) Post(Rest{*link, info[1].ToBoolean().Value()});
  }

  // (link, HIT as address, IPv4 or null, number of the user)
  void AuthorizeLink(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    if (!link.has_value()) return;
    auto hit = GetAddress(info[1]);
    if (!hit.has_value()) return;
    auto ipv4 = GetAddressOrNull(info[2]);
    if (!ipv4.has_value()) return;
    auto user = GetUint32(info[3]);
    if (!user.has_value()) return;
    Post(Authorize{*link, *hit, ipv4->unset() ? std::nullopt : ipv4, *user});
  }

  void RefuseAddress(const Napi::CallbackInfo& info) {
    auto address = GetAddress(info[0]);
    if (address.has_value()) Post(Refuse{*address});
  }

  // (HIT as address, IPv4 or null)
  void SetLocal(const Napi::CallbackInfo& info) {
    auto hit = GetAddress(info[0]);
    if (!hit.has_value()) return;
    auto ipv4 = GetAddressOrNull(info[1]);
    if (ipv4.has_value()) Post(SetLocalAddresses{*hit, ipv4->unset() ? std::nullopt : ipv4});
  }

  // (link, data)
  void SendRecordTo(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    if (!link.has_value()) return;
    auto data = GetBytes(info[1]);
    if (data.has_value() && !data->empty()) Post(SendRecord{*link, std::move(*data)});
  }

  // (link, bytes)
  void SetPathMtuTo(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    auto bytes = GetUint32(info[1]);
    if (!link.has_value() || !bytes.has_value()) return;
    Post(SetPathMtu{*link, static_cast<uint16_t>(std::min(*bytes, 65'535U))});
  }

  // (link, bytes, id)
  void SendProbeTo(const Napi::CallbackInfo& info) {
    auto link = GetUint32(info[0]);
    auto bytes = GetUint32(info[1]);
    auto id = GetUint32(info[2]);
    if (!link.has_value() || !bytes.has_value() || !id.has_value()) return;
    Post(SendProbe{*link, static_cast<uint16_t>(std::min(*bytes, 65'535U)), *id});
  }

  // (bytes per second)
  void SetRelayTo(const Napi::CallbackInfo& info) {
    auto rate = GetUint32(info[0]);
    if (rate.has_value()) Post(SetRelay{*rate});
  }

  // (remote, port)
  void Dial(const Napi::CallbackInfo& info) {
    auto remote = GetEndpoint(info, 0);
    if (remote.has_value()) Post(DialStream{*remote});
  }

  // (remote, port, number, name: its certificate's, null: no TLS, empty: TLS as to members; authorities: PEM,
  // empty: the system's)
  void DialTurnServer(const Napi::CallbackInfo& info) {
    auto remote = GetEndpoint(info, 0);
    auto id = GetUint32(info[2]);
    if (!remote.has_value() || !id.has_value()) return;
    if (!(info[3].IsNull() || info[3].IsString()) || !info[4].IsString()) {
      ThrowType(info.Env(), "expected the name of a certificate, or null, and authorities");
      return;
    }
    Streams::TurnDial dial{*id, *remote, info[3].IsString(), {}, nullptr, {}};
    const std::string name = dial.tls ? info[3].As<Napi::String>().Utf8Value() : std::string();
    if (!name.empty()) {
      // RFC 6066 s3: addresses are no names.
      if (!IpAddress::Parse(name).has_value()) dial.server_name = name;
      dial.problem = ShareTurnContext(name, info[4].As<Napi::String>().Utf8Value(), &dial.context);
    }
    Post(DialTurn{std::make_unique<Streams::TurnDial>(std::move(dial))});
  }

  // As MakeTurnClient, once: many authorities take some milliseconds, and a server may be dialed often.
  std::string ShareTurnContext(const std::string& name, const std::string& authorities, SslContext* out) {
    std::string key = name + '\n' + authorities;
    auto known = turn_contexts_.find(key);
    if (known == turn_contexts_.end()) {
      SslContext made;
      Error error = MakeTurnClient(name, authorities, &made);
      if (error.failed()) return error.message;
      if (turn_contexts_.size() >= Streams::kMostTurn) turn_contexts_.clear();
      known = turn_contexts_.emplace(std::move(key), std::move(made)).first;
    }
    SSL_CTX_up_ref(known->second.get());
    out->reset(known->second.get());
    return {};
  }

  void HangUpTurnServer(const Napi::CallbackInfo& info) {
    auto id = GetUint32(info[0]);
    if (id.has_value()) Post(HangUpTurn{*id});
  }

  // (certificates, key)
  void ShowCertificate(const Napi::CallbackInfo& info) {
    if (!info[0].IsString() || !info[1].IsString()) {
      ThrowType(info.Env(), "expected certificates and their key");
      return;
    }
    StreamCertificate certificate{info[0].As<Napi::String>().Utf8Value(),
                                  info[1].As<Napi::String>().Utf8Value()};
    if (plane_ == nullptr) return;
    SslContext context;
    Error error = plane_->MakeStreamServer(certificate, &context);
    OPENSSL_cleanse(certificate.key.data(), certificate.key.size());
    if (error.failed()) {
      ThrowError(info.Env(), error);
      return;
    }
    Post(ShowStreamCertificate{std::move(context)});
  }

  // (allocation, peer, port, our address or null, server, port, number)
  void BindChannel(const Napi::CallbackInfo& info) {
    auto path = GetPath(info, 0);
    auto server = GetPath(info, 3);
    auto number = GetUint32(info[6]);
    if (path.has_value() && server.has_value() && number.has_value())
      Post(SetTurnChannel{{*path, *server, static_cast<uint16_t>(*number)}});
  }

  // (allocation, peer, port)
  void UnbindChannel(const Napi::CallbackInfo& info) {
    auto path = GetPath(info, 0);
    if (path.has_value()) Post(RemoveTurnChannel{*path});
  }

  // (bytes per second)
  void SetTurnQuotaTo(const Napi::CallbackInfo& info) {
    auto rate = GetUint32(info[0]);
    if (rate.has_value()) Post(SetTurnQuota{*rate});
  }

  // (id, user, our address, client, port, relayed address, port); false: the port cannot be had
  Napi::Value OpenAllocation(const Napi::CallbackInfo& info) {
    auto failed = [&] { return Napi::Boolean::New(info.Env(), false); };
    auto id = GetUint32(info[0]);
    auto user = GetUint32(info[1]);
    auto client = GetPath(info, 2);
    auto relayed = GetEndpoint(info, 5);
    if (!id.has_value() || !user.has_value() || !client.has_value() || !relayed.has_value()) return failed();
    Fd socket;
    if (plane_ == nullptr || OpenRelayedPort(*relayed, &socket).failed()) return failed();
    Post(AddTurnAllocation{*id, *user, *client, *relayed, std::move(socket)});
    return Napi::Boolean::New(info.Env(), true);
  }

  // (id)
  void CloseAllocation(const Napi::CallbackInfo& info) {
    auto id = GetUint32(info[0]);
    if (id.has_value()) Post(RemoveTurnAllocation{*id});
  }

  // (id, peer, port, channel or 0)
  void PermitPeer(const Napi::CallbackInfo& info) {
    auto id = GetUint32(info[0]);
    auto peer = GetEndpoint(info, 1);
    auto channel = GetUint32(info[3]);
    if (id.has_value() && peer.has_value() && channel.has_value())
      Post(PermitTurnPeer{*id, *peer, static_cast<uint16_t>(*channel)});
  }

  Napi::Value LinkCounters(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    auto link = GetUint32(info[0]);
    if (!link.has_value() || plane_ == nullptr) return env.Undefined();
    const LinkStats* stats = plane_->FindStats(*link);
    if (stats == nullptr) return env.Undefined();
    Napi::Object out = Napi::Object::New(env);
    auto set = [&](const char* name, const std::atomic<uint64_t>& value) {
      out.Set(name, Napi::BigInt::New(env, value.load(std::memory_order_relaxed)));
    };
    set("rxBytes", stats->rx_bytes);
    set("txBytes", stats->tx_bytes);
    set("rxPackets", stats->rx_packets);
    set("txPackets", stats->tx_packets);
    out.Set("rekeys", Napi::Number::New(env, stats->rekeys.load(std::memory_order_relaxed)));
    out.Set("handshakes", Napi::Number::New(env, stats->handshakes.load(std::memory_order_relaxed)));
    return out;
  }

  void AskPathReports(const Napi::CallbackInfo&) { Post(ReportPaths{}); }

  // (whether from the beginning of what is newest, how many at most): fewer are the last ones
  Napi::Value TakePathReports(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    Napi::Array out = Napi::Array::New(env);
    auto most = GetUint32(info[1]);
    if (!most.has_value()) return out;
    if (info[0].ToBoolean().Value()) {
      path_reports_ = plane_ == nullptr ? nullptr : plane_->TakePathReports();
      path_reports_taken_ = 0;
    }
    if (path_reports_ == nullptr) return out;
    uint32_t count = 0;
    while (count < *most && path_reports_taken_ < path_reports_->size()) {
      const DataPlane::PathReport& report = (*path_reports_)[path_reports_taken_++];
      Napi::Object path = Napi::Object::New(env);
      path.Set("link", Napi::Number::New(env, report.link));
      path.Set("local", report.route.local.unset() ? env.Null()
                                                   : Napi::String::New(env, report.route.local.ToString()));
      path.Set("remote", ToSocketAddress(env, report.route.remote));
      path.Set("state", Napi::String::New(env, NameOf(report.state)));
      path.Set("active", Napi::Boolean::New(env, report.active));
      path.Set("rttMs", report.srtt == 0 ? env.Null()
                                         : Napi::Number::New(env, static_cast<double>(report.srtt) / 1e6));
      path.Set("loss", Napi::Number::New(env, report.loss));
      out.Set(count++, path);
    }
    if (count < *most) path_reports_ = nullptr;
    return out;
  }

  void Close(const Napi::CallbackInfo& info) {
    if (plane_ == nullptr) return;
    napi_remove_env_cleanup_hook(info.Env(), Cleanup, this);
    Shutdown();
    Unref();
  }

  std::optional<Endpoint> GetEndpoint(const Napi::CallbackInfo& info, size_t first) {
    auto address = GetAddress(info[first]);
    if (!address.has_value()) return std::nullopt;
    auto port = GetUint32(info[first + 1]);
    if (!port.has_value()) return std::nullopt;
    return Endpoint{*address, static_cast<uint16_t>(*port)};
  }

  std::optional<Path> GetPath(const Napi::CallbackInfo& info, size_t first) {
    auto local = GetAddressOrNull(info[first]);
    if (!local.has_value()) return std::nullopt;
    auto remote = GetEndpoint(info, first + 1);
    if (!remote.has_value()) return std::nullopt;
    return Path{*local, *remote};
  }

  std::unique_ptr<DataPlane> plane_;  // nullptr after close
  std::shared_ptr<Counters> counters_;
  Wake* wake_ = nullptr;  // frees itself once Shutdown has closed it
  uint16_t port_ = 0;
  std::unique_ptr<std::vector<DataPlane::PathReport>> path_reports_;
  size_t path_reports_taken_ = 0;
  std::unordered_map<std::string, SslContext> turn_contexts_;  // of servers, by name and authorities
};

}  // namespace

Napi::Function DefineDataPlane(Napi::Env env) { return DataPlaneObject::Define(env); }

}  // namespace idloc
