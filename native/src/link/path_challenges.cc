#include "link/path_challenges.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace idloc {

const PathChallenges::Payload* PathChallenges::Received(const Path& path, size_t bytes,
                                                        size_t challenge_bytes, Nanoseconds now) {
  Challenge* challenge = &challenges_[0];
  for (Challenge& other : challenges_) {
    if (other.path == path) {
      challenge = &other;
      break;
    }
    if (other.started_at < challenge->started_at) challenge = &other;
  }
  if (!(challenge->path == path) || now - challenge->started_at >= kLifetime) {
    *challenge = {};
    if (RAND_bytes(challenge->payload.data(), kPayloadBytes) != 1) return nullptr;
    challenge->path = path;
    challenge->started_at = now;
  }
  challenge->received += bytes;
  if (now - challenge->sent_at < kRepeatInterval || challenge->sent + challenge_bytes > challenge->received)
    return nullptr;
  challenge->sent += challenge_bytes;
  challenge->sent_at = now;
  return &challenge->payload;
}

bool PathChallenges::Answered(const Path& path, const uint8_t* payload, size_t length, Nanoseconds now) {
  if (length != kPayloadBytes) return false;
  for (Challenge& challenge : challenges_) {
    if (challenge.sent == 0 || !(challenge.path == path) || now - challenge.started_at >= kLifetime) continue;
    if (CRYPTO_memcmp(challenge.payload.data(), payload, kPayloadBytes) != 0) continue;
    challenge = {};
    return true;
  }
  return false;
}

}  // namespace idloc
