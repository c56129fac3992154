#pragma once
// What names an association in its records whatever address they come from (RFC 9146).
#include <openssl/rand.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace idloc {

// Ours are all of one length, since nothing in a record tells it. They are drawn at random: an index would
// let anyone send to every link by counting, and tell how many there are.
inline constexpr size_t kConnectionIdBytes = 8;
using ConnectionId = std::array<uint8_t, kConnectionIdBytes>;

inline bool DrawConnectionId(ConnectionId* out) { return RAND_bytes(out->data(), kConnectionIdBytes) == 1; }

struct ConnectionIdHash {
  // Only IDs that we drew are in a table, so that no one chooses what falls into one bucket.
  size_t operator()(const ConnectionId& id) const {
    size_t hash;
    static_assert(sizeof hash <= kConnectionIdBytes);
    std::memcpy(&hash, id.data(), sizeof hash);
    return hash;
  }
};

// What the peer wants to see in what we send: nothing, or a name of its own of any length up to the bound.
struct PeerConnectionId {
  static constexpr size_t kMaxBytes = 32;
  uint8_t bytes[kMaxBytes] = {};
  uint8_t length = 0;
};

}  // namespace idloc
