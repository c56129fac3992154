#pragma once
// A key and a certificate of its own, made once per process.
#include "link/dtls_context.h"

namespace idloc::test {

// Ready for handshakes; a new context each time, with the same credentials.
SslContext MakeContext();

}  // namespace idloc::test
