#pragma once
// Binding requests without credentials: a peer asks at which address it is seen (RFC 8489 s12, basic server).
#include <cstddef>
#include <cstdint>

#include "net/address.h"

namespace idloc {

inline constexpr size_t kMaxBindingAnswer = 52;

// Writes the answer to a plain request: no attributes but PADDING, SOFTWARE and a FINGERPRINT that is right.
// 0: it is something else, which JavaScript answers or does not (src/link/stun-dispatcher.ts), or the answer
// would be longer than the request, and could be aimed at a third party to good effect.
size_t AnswerBinding(const uint8_t* request, size_t length, const Endpoint& remote,
                     uint8_t answer[kMaxBindingAnswer]);

}  // namespace idloc
