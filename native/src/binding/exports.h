#pragma once
// The parts of the addon. Everything they hold belongs to one environment (main thread or worker).
#include <napi.h>

#include "link/path_set.h"

namespace idloc {

Napi::Function DefineDataPlane(Napi::Env env);
Napi::Function DefinePathSet(Napi::Env env);
void DefineNetlink(Napi::Env env, Napi::Object exports);
void DefineSignature(Napi::Env env, Napi::Object exports);
void DefineSockets(Napi::Env env, Napi::Object exports);
void DefineSystemd(Napi::Env env, Napi::Object exports);

// As JavaScript says it.
const char* NameOf(PathSet::Cause cause);
const char* NameOf(PathSet::State state);

}  // namespace idloc
