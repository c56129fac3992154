#pragma once
// What time it is for OpenSSL, which asks the system when it repeats a flight of a handshake (RFC 6347
// s4.2.4): in tests that time stands still, however long they take, until they move it.
#include "base/clock.h"

namespace idloc::test {

void AdvanceOpensslClock(Nanoseconds time);

}  // namespace idloc::test
