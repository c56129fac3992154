#pragma once
// Counters that JavaScript reads through a live view. Only the data-plane thread writes them.
// The order is the contract with src/native/counters.ts; a test compares both lists.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace idloc {

#define IDLOC_COUNTERS(V)  \
  V(udpReceivedDatagrams)  \
  V(udpReceivedBytes)      \
  V(udpReceiveCalls)       \
  V(udpSentDatagrams)      \
  V(udpSentBytes)          \
  V(udpSendCalls)          \
  V(udpSendErrors)         \
  V(stunReceived)          \
  V(stunSent)              \
  V(bindingsAnswered)      \
  V(foreignReceived)       \
  V(foreignSent)           \
  V(handshakeReceived)     \
  V(handshakeSent)         \
  V(cookiesSent)           \
  V(handshakesStarted)     \
  V(handshakesCompleted)   \
  V(handshakesFailed)      \
  V(recordsReceived)       \
  V(recordsSent)           \
  V(echoesAnswered)        \
  V(probesSent)            \
  V(probesAnswered)        \
  V(pathProbesSent)        \
  V(pathProbesAnswered)    \
  V(pathsMoved)            \
  V(pathsSilent)           \
  V(recordsSentTwice)      \
  V(rekeysCompleted)       \
  V(rekeysFailed)          \
  V(keepalivesSent)        \
  V(hopsForwarded)         \
  V(hopsForwardedBytes)    \
  V(hopsSent)              \
  V(hopsReceived)          \
  V(streamsDialed)         \
  V(streamsAccepted)       \
  V(streamsEnded)          \
  V(streamSent)            \
  V(streamReceived)        \
  V(turnSent)              \
  V(turnReceived)          \
  V(turnRelayed)           \
  V(turnRelayedBytes)      \
  V(tunReads)              \
  V(tunReadBytes)          \
  V(tunWrites)             \
  V(tunWrittenBytes)       \
  V(tunLost)               \
  V(uplinksUnbound)        \
  V(packetsOut)            \
  V(packetsIn)             \
  V(voiceFlows)            \
  V(misses)                \
  V(packetsHeld)           \
  V(packetsReleased)       \
  V(unreachablesSent)      \
  V(packetsFragmented)     \
  V(tooBigSent)            \
  V(earlyHeld)             \
  V(earlyReleased)         \
  V(eventsQueued)          \
  V(wakeups)               \
  V(dropUnknownProtocol)   \
  V(dropStunFlood)         \
  V(dropForeignFlood)      \
  V(dropUnboundRecord)     \
  V(dropUnboundHandshake)  \
  V(dropUnknownConnection) \
  V(dropBadRecord)         \
  V(dropReplayed)          \
  V(dropUnknownEpoch)      \
  V(dropNotConnected)      \
  V(dropUnexpectedContent) \
  V(dropStaleHandshake)    \
  V(dropRekeyFlood)        \
  V(dropHalfOpen)          \
  V(dropNoCredentials)     \
  V(dropHopRefused)        \
  V(dropHopUnknown)        \
  V(dropHopQuota)          \
  V(dropNoRelay)           \
  V(dropStreamRefused)     \
  V(dropStreamFull)        \
  V(dropNoStream)          \
  V(dropTurnRefused)       \
  V(dropTurnQuota)         \
  V(dropNoChannel)         \
  V(dropInnerSource)       \
  V(dropInnerDestination)  \
  V(dropForeignSource)     \
  V(dropMulticast)         \
  V(dropMalformedPacket)   \
  V(dropBadChecksum)       \
  V(dropBadCompressed)     \
  V(dropCongested)         \
  V(dropHeldOverflow)      \
  V(dropHeldExpired)       \
  V(dropRefused)           \
  V(dropEarlyOverflow)     \
  V(dropEarlyExpired)      \
  V(dropEarlyClosed)       \
  V(dropBacklogFull)       \
  V(dropSendQueueFull)     \
  V(dropSendFailed) V(dropNoPath) V(dropTunWrite) V(dropEventsFull) V(dropCommandsFull) V(dropOversizedRecord)

enum class Counter : size_t {
#define V(name) name,
  IDLOC_COUNTERS(V)
#undef V
      kCount
};

inline constexpr const char* kCounterNames[] = {
#define V(name) #name,
    IDLOC_COUNTERS(V)
#undef V
};

class Counters {
 public:
  static constexpr size_t kCount = static_cast<size_t>(Counter::kCount);

  void Add(Counter counter, uint64_t n = 1) {
    std::atomic<uint64_t>& value = values_[static_cast<size_t>(counter)];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  // Borrowed by the typed array, which shares the ownership of this object.
  void* data() { return values_.data(); }

 private:
  static_assert(sizeof(std::atomic<uint64_t>) == sizeof(uint64_t));
  std::array<std::atomic<uint64_t>, kCount> values_{};
};

}  // namespace idloc
