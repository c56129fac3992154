#pragma once
// What the data-plane thread tells JavaScript (the contract is src/native/data-plane.ts).
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "link/link.h"
#include "net/address.h"

namespace idloc {

enum class EventType : uint8_t {
  kStun,
  kForeign,
  kIncoming,
  kConnected,
  kClosed,
  kRecord,
  kMiss,
  kUnknown,
  kMoved,
  kStirred,
  kNetwork,
  kTunChanged,
  kTunLost,
  kPaths,
  kNewPath,
  kNoPath,
  kUnheard,
  kLargeSent,
  kTurnEnded,
  kTurnLeft
};

struct Event {
  EventType type = EventType::kNetwork;
  LinkId link = 0;  // kTurnEnded: the number of whoever dialed
  Endpoint local;
  Endpoint remote;            // kMiss: only its address, the overlay address
  Nanoseconds at = 0;         // of MonotonicNow
  std::vector<uint8_t> data;  // datagram, record or exporter
  std::vector<std::vector<uint8_t>> certificates;
  std::string reason;
  // Of kIncoming; of kRecord and kStun when it counts against what may wait of its link.
  std::shared_ptr<LinkStats> stats;
  PathSet::Cause cause = PathSet::Cause::kPeer;  // of kMoved
  bool silent = false;                           // of kStirred: the peer does not answer
  Nanoseconds heard_at = 0;                      // of kStirred

  // Bytes this event keeps alive, for the bound of the ring.
  size_t weight() const { return data.size() + sizeof(Event); }
  // How many of this kind wait of its link; nullptr: they are not counted, or it has none.
  std::atomic<uint32_t>* waiting_of_link() const {
    if (stats == nullptr) return nullptr;
    if (type == EventType::kRecord) return &stats->waiting_records;
    return type == EventType::kStun ? &stats->waiting_checks : nullptr;
  }
  // The life of a link, who looks after it, and the end of the TUN, of the stream to a TURN server or of a
  // client with an allocation must not be lost: JavaScript has no other way to learn of it.
  bool essential() const {
    return type == EventType::kConnected || type == EventType::kClosed || type == EventType::kIncoming ||
           type == EventType::kStirred || type == EventType::kTunLost || type == EventType::kTurnEnded ||
           type == EventType::kTurnLeft;
  }
  // Says no more than that something is other than before.
  bool sticky() const {
    return type == EventType::kNetwork || type == EventType::kTunChanged || type == EventType::kPaths;
  }
  // Where a link is: what it said before is of no interest any more.
  bool latest_counts() const {
    return type == EventType::kMoved || type == EventType::kNewPath || type == EventType::kNoPath;
  }
};

}  // namespace idloc
