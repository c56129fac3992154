// The class PathSet of the addon: the paths of one link as the data plane keeps them, for a data plane that
// is simulated. Times are milliseconds of whatever clock the caller has.
#include <napi.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "binding/exports.h"
#include "binding/values.h"
#include "link/path_set.h"

namespace idloc {

namespace {

Nanoseconds GetTime(const Napi::Value& value) {
  return static_cast<Nanoseconds>(std::llround(value.ToNumber().DoubleValue() * 1e6));
}

class PathSetObject : public Napi::ObjectWrap<PathSetObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "PathSet",
                       {
                           InstanceMethod<&PathSetObject::Select>("select"),
                           InstanceMethod<&PathSetObject::Add>("add"),
                           InstanceMethod<&PathSetObject::Clear>("clear"),
                           InstanceMethod<&PathSetObject::Ask>("ask"),
                           InstanceMethod<&PathSetObject::Doubt>("doubt"),
                           InstanceMethod<&PathSetObject::SetRanks>("setRanks"),
                           InstanceMethod<&PathSetObject::Lose>("lose"),
                           InstanceMethod<&PathSetObject::Sent>("sent"),
                           InstanceMethod<&PathSetObject::SentTwice>("sentTwice"),
                           InstanceMethod<&PathSetObject::TakeAgain>("takeAgain"),
                           InstanceMethod<&PathSetObject::TakeOpened>("takeOpened"),
                           InstanceMethod<&PathSetObject::AskHopsAgain>("askHopsAgain"),
                           InstanceMethod<&PathSetObject::AskUnheard>("askUnheard"),
                           InstanceMethod<&PathSetObject::Heard>("heard"),
                           InstanceMethod<&PathSetObject::Probed>("probed"),
                           InstanceMethod<&PathSetObject::Answered>("answered"),
                           InstanceMethod<&PathSetObject::SpareFor>("spareFor"),
                           InstanceMethod<&PathSetObject::Knows>("knows"),
                           InstanceMethod<&PathSetObject::Poll>("poll"),
                           InstanceMethod<&PathSetObject::HandleTimeout>("handleTimeout"),
                           InstanceMethod<&PathSetObject::TakeSwitched>("takeSwitched"),
                           InstanceMethod<&PathSetObject::TakeNoPath>("takeNoPath"),
                           InstanceMethod<&PathSetObject::TakeUnheard>("takeUnheard"),
                           InstanceAccessor<&PathSetObject::NextTimeout>("nextTimeout"),
                           InstanceAccessor<&PathSetObject::UrgentAt>("urgentAt"),
                           InstanceAccessor<&PathSetObject::SentAt>("sentAt"),
                           InstanceAccessor<&PathSetObject::Active>("active"),
                           InstanceAccessor<&PathSetObject::InDoubt>("inDoubt"),
                       });
  }

  // new PathSet(server, bytes of a probe as a datagram)
  explicit PathSetObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PathSetObject>(info) {
    auto bytes = GetUint32(info[1]);
    if (bytes.has_value()) paths_ = std::make_unique<PathSet>(info[0].ToBoolean().Value(), *bytes, &ranks_);
  }

 private:
  // {local: address or null, remote: {address, port}}
  static std::optional<Path> GetRoute(const Napi::Value& value) {
    if (!value.IsObject()) {
      ThrowType(value.Env(), "expected a path");
      return std::nullopt;
    }
    auto object = value.As<Napi::Object>();
    auto local = GetAddressOrNull(object.Get("local"));
    if (!local.has_value() || !object.Get("remote").IsObject()) return std::nullopt;
    auto remote = object.Get("remote").As<Napi::Object>();
    auto address = GetAddress(remote.Get("address"));
    auto port = GetUint32(remote.Get("port"));
    if (!address.has_value() || !port.has_value()) return std::nullopt;
    return Path{*local, {*address, static_cast<uint16_t>(*port)}};
  }
  static Napi::Value ToRoute(Napi::Env env, const Path* path) {
    if (path == nullptr) return env.Undefined();
    Napi::Object out = Napi::Object::New(env);
    out.Set("local", path->local.unset() ? env.Null() : Napi::String::New(env, path->local.ToString()));
    out.Set("remote", ToSocketAddress(env, path->remote));
    return out;
  }

  // (path, preference, now)
  void Select(const Napi::CallbackInfo& info) {
    auto path = GetRoute(info[0]);
    auto preference = GetUint32(info[1]);
    if (path.has_value() && preference.has_value())
      paths_->Select(*path, static_cast<uint8_t>(*preference), GetTime(info[2]));
  }
  // (path, preference, now, expected)
  void Add(const Napi::CallbackInfo& info) {
    auto path = GetRoute(info[0]);
    auto preference = GetUint32(info[1]);
    if (path.has_value() && preference.has_value())
      paths_->Add(*path, static_cast<uint8_t>(*preference), GetTime(info[2]), info[3].ToBoolean().Value());
  }
  void Clear(const Napi::CallbackInfo&) { paths_->Clear(); }
  void Ask(const Napi::CallbackInfo& info) { paths_->Ask(GetTime(info[0])); }
  void Doubt(const Napi::CallbackInfo& info) { paths_->Doubt(GetTime(info[0])); }
  // (addresses of this host, those of the best uplinks first)
  void SetRanks(const Napi::CallbackInfo& info) {
    auto uplinks = info[0].As<Napi::Array>();
    ranks_.Clear();
    for (uint32_t rank = 0; rank < uplinks.Length(); rank++) {
      auto addresses = uplinks.Get(rank).As<Napi::Array>();
      for (uint32_t i = 0; i < addresses.Length(); i++) {
        auto address = GetAddress(addresses.Get(i));
        if (address.has_value()) ranks_.Set(*address, static_cast<uint8_t>(rank));
      }
    }
  }
  // (usable: (path) => boolean, present: (path) => boolean, now)
  void Lose(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    auto ask = [&](size_t which, const Path& path) {
      return info[which].As<Napi::Function>().Call({ToRoute(env, &path)}).ToBoolean().Value();
    };
    paths_->Lose([&](const Path& path) { return ask(0, path); },
                 [&](const Path& path) { return ask(1, path); }, GetTime(info[2]));
  }
  // (records, urgent, now)
  void Sent(const Napi::CallbackInfo& info) {
    auto records = GetUint32(info[0]);
    if (!records.has_value()) return;
    paths_->Sent(*records, info[1].ToBoolean().Value(), GetTime(info[2]));
  }
  // (path)
  Napi::Value Knows(const Napi::CallbackInfo& info) {
    auto path = GetRoute(info[0]);
    return Napi::Boolean::New(info.Env(), path.has_value() && paths_->Knows(*path));
  }
  // (bytes of the record)
  Napi::Value SpareFor(const Napi::CallbackInfo& info) {
    auto bytes = GetUint32(info[0]);
    return ToRoute(info.Env(), bytes.has_value() ? paths_->SpareFor(*bytes) : nullptr);
  }
  // (bytes of the record): by the path that `spareFor` has given
  void SentTwice(const Napi::CallbackInfo& info) {
    auto bytes = GetUint32(info[0]);
    if (bytes.has_value() && paths_->SpareFor(*bytes) != nullptr) paths_->SentTwice(*bytes);
  }
  // (bytes of the newest urgent record, now)
  Napi::Value TakeAgain(const Napi::CallbackInfo& info) {
    auto bytes = GetUint32(info[0]);
    return ToRoute(info.Env(), bytes.has_value() ? paths_->TakeAgain(*bytes, GetTime(info[1])) : nullptr);
  }
  Napi::Value TakeOpened(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), paths_->TakeOpened());
  }
  // (address of the relay, now)
  Napi::Value AskHopsAgain(const Napi::CallbackInfo& info) {
    auto relay = GetAddress(info[0]);
    bool asked = relay.has_value() && paths_->AskHopsAgain(*relay, GetTime(info[1]));
    return Napi::Boolean::New(info.Env(), asked);
  }
  Napi::Value AskUnheard(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), paths_->AskUnheard(GetTime(info[0])));
  }
  // (path, bytes, newest and no probe, from where JavaScript knows nobody, now)
  void Heard(const Napi::CallbackInfo& info) {
    auto path = GetRoute(info[0]);
    auto bytes = GetUint32(info[1]);
    if (!path.has_value() || !bytes.has_value()) return;
    Nanoseconds now = GetTime(info[4]);
    if (paths_->IsActive(*path)) {
      paths_->HeardActive(*path, now);
    } else {
      paths_->Heard(*path, *bytes, info[2].ToBoolean().Value(), info[3].ToBoolean().Value(), now);
    }
  }
  static bool GetRecord(const Napi::Value& value, std::array<uint8_t, PathSet::kRecordBytes>* out) {
    auto bytes = GetBytes(value);
    if (!bytes.has_value() || bytes->size() < out->size()) return false;
    std::memcpy(out->data(), bytes->data(), out->size());
    return true;
  }
  // (path, record, now): the answer
  Napi::Value Probed(const Napi::CallbackInfo& info) {
    auto path = GetRoute(info[0]);
    std::array<uint8_t, PathSet::kRecordBytes> record;
    if (!path.has_value() || !GetRecord(info[1], &record)) return info.Env().Undefined();
    auto answer = paths_->Probed(*path, record.data(), GetTime(info[2]));
    return ToBytes(info.Env(), {answer.begin(), answer.end()});
  }
  void Answered(const Napi::CallbackInfo& info) {
    auto path = GetRoute(info[0]);
    std::array<uint8_t, PathSet::kRecordBytes> record;
    if (path.has_value() && GetRecord(info[1], &record))
      paths_->Answered(*path, record.data(), GetTime(info[2]));
  }
  Napi::Value Poll(const Napi::CallbackInfo& info) {
    PathSet::Outgoing outgoing;
    if (!paths_->Poll(&outgoing)) return info.Env().Undefined();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("path", ToRoute(info.Env(), &outgoing.route));
    std::vector<uint8_t> record(outgoing.record.begin(), outgoing.record.end());
    record.resize(record.size() + outgoing.padding);
    out.Set("record", ToBytes(info.Env(), record));
    return out;
  }
  void HandleTimeout(const Napi::CallbackInfo& info) { paths_->HandleTimeout(GetTime(info[0])); }
  Napi::Value TakeSwitched(const Napi::CallbackInfo& info) {
    auto cause = paths_->TakeSwitched();
    if (!cause.has_value()) return info.Env().Undefined();
    return Napi::String::New(info.Env(), NameOf(*cause));
  }
  Napi::Value TakeUnheard(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), paths_->TakeUnheard());
  }
  Napi::Value TakeNoPath(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), paths_->TakeNoPath());
  }
  Napi::Value NextTimeout(const Napi::CallbackInfo& info) {
    Nanoseconds next = paths_->NextTimeout();
    return Napi::Number::New(info.Env(), next == kNever ? INFINITY : static_cast<double>(next) / 1e6);
  }
  static Napi::Value ToTime(Napi::Env env, Nanoseconds time) {
    return Napi::Number::New(env, time == PathSet::kLongAgo ? -INFINITY : static_cast<double>(time) / 1e6);
  }
  Napi::Value UrgentAt(const Napi::CallbackInfo& info) { return ToTime(info.Env(), paths_->urgent_at()); }
  Napi::Value SentAt(const Napi::CallbackInfo& info) { return ToTime(info.Env(), paths_->sent_at()); }
  Napi::Value Active(const Napi::CallbackInfo& info) { return ToRoute(info.Env(), paths_->active()); }

  Napi::Value InDoubt(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), paths_->in_doubt());
  }

  LocalRanks ranks_;
  std::unique_ptr<PathSet> paths_;
};

}  // namespace

const char* NameOf(PathSet::Cause cause) {
  switch (cause) {
    case PathSet::Cause::kSilence:
      return "silence";
    case PathSet::Cause::kGone:
      return "gone";
    case PathSet::Cause::kPeer:
      return "peer";
    case PathSet::Cause::kBetter:
      return "better";
  }
  return "";
}

const char* NameOf(PathSet::State state) {
  switch (state) {
    case PathSet::State::kCandidate:
      return "candidate";
    case PathSet::State::kValid:
      return "valid";
    case PathSet::State::kSuspect:
      return "suspect";
  }
  return "";
}

Napi::Function DefinePathSet(Napi::Env env) { return PathSetObject::Define(env); }

}  // namespace idloc
