#pragma once
// The parts of the addon. Everything they hold belongs to one environment (main thread or worker).
#include <napi.h>

namespace idloc {

Napi::Function DefineDataPlane(Napi::Env env);
void DefineNetlink(Napi::Env env, Napi::Object exports);
void DefineSystemd(Napi::Env env, Napi::Object exports);

}  // namespace idloc
