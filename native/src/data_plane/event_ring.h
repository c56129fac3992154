#pragma once
// Bounded rings from the data-plane thread (one producer) to JavaScript (one consumer): one for STUN, on
// which the paths of all links hang, and which no peer's records hold up; one for the rest. When a ring is
// full, what peers and programs send is lost, and nothing else:
//   sticky events   a flag each, beside the rings and before them
//   latest counts   one of a link waits on the producer's side, instead of the one before
//   essential       all wait there
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "data_plane/event.h"

namespace idloc {

class EventRing {
 public:
  static constexpr size_t kSlots = 4096;
  static constexpr size_t kReserved = 256;  // only for essential events
  static constexpr size_t kCheckSlots = 1024;
  // A flood of STUN, of which one in a second is bounded as well, leaves the others their turn.
  static constexpr size_t kChecksInARow = 8;

  // Before either side begins. Of records and datagrams: other events do not count against it.
  void SetLimits(size_t bytes, size_t of_a_link) {
    checks_.max_bytes = bytes / 4;
    others_.max_bytes = bytes - checks_.max_bytes;
    max_of_link_ = of_a_link;
  }

  // Producer. False: full, the event is lost. What waits instead is bounded by the number of links.
  bool Push(Event&& event) {
    if (event.sticky()) {
      raised_.fetch_or(Flag(event.type), std::memory_order_release);
      return true;
    }
    if (event.latest_counts()) {
      // The beginning of the link may wait, or what it said before.
      auto older = latest_.find({event.link, event.type});
      if (older != latest_.end()) {
        older->second = std::move(event);
      } else if (!waiting_.empty() || !others_.TryPut(event, kSlots - kReserved)) {
        latest_.emplace(std::pair{event.link, event.type}, std::move(event));
      }
      return true;
    }
    if (event.essential()) {
      if (event.type == EventType::kClosed) {
        for (EventType type : {EventType::kMoved, EventType::kNewPath, EventType::kNoPath})
          latest_.erase({event.link, type});
      }
      if (!waiting_.empty() || !others_.TryPut(event, kSlots)) waiting_.push_back(std::move(event));
      return true;
    }
    bool is_check = event.type == EventType::kStun;
    if (!is_check && !waiting_.empty()) return false;
    Ring& ring = is_check ? checks_ : others_;
    std::atomic<uint32_t>* of_link = event.waiting_of_link();
    // Strangers leave half of it to links.
    size_t share = is_check && of_link == nullptr ? 2 : 1;
    size_t limit = is_check ? kCheckSlots / share : kSlots - kReserved;
    if (ring.bytes.load(std::memory_order_relaxed) + event.weight() > ring.max_bytes / share) return false;
    if (of_link == nullptr) return ring.TryPut(event, limit);
    // Counted first: the consumer may take it out before this line is over.
    bool put = of_link->fetch_add(1, std::memory_order_relaxed) < max_of_link_ && ring.TryPut(event, limit);
    if (!put) of_link->fetch_sub(1, std::memory_order_relaxed);
    return put;
  }
  // Producer: moves waiting events into the ring. True when something is there for JavaScript.
  bool Settle() {
    while (!waiting_.empty() && others_.TryPut(waiting_.front(), kSlots)) waiting_.pop_front();
    if (waiting_.empty()) {
      auto next = latest_.begin();
      while (next != latest_.end() && others_.TryPut(next->second, kSlots - kReserved))
        next = latest_.erase(next);
    }
    return raised_.load(std::memory_order_relaxed) != 0 || checks_.has_some() || others_.has_some();
  }
  bool has_waiting() const { return !waiting_.empty() || !latest_.empty(); }

  // Consumer. False: empty.
  bool Pop(Event* out) {
    if (uint32_t raised = raised_.load(std::memory_order_relaxed); raised != 0) {
      int lowest = std::countr_zero(raised);
      raised_.fetch_and(~(uint32_t{1} << lowest), std::memory_order_acquire);
      *out = Event{};
      out->type = static_cast<EventType>(lowest);
      return true;
    }
    if (checks_in_a_row_ < kChecksInARow && checks_.Take(out)) {
      checks_in_a_row_++;
      return true;
    }
    checks_in_a_row_ = 0;
    return others_.Take(out) || checks_.Take(out);
  }

 private:
  static uint32_t Flag(EventType type) { return uint32_t{1} << static_cast<uint8_t>(type); }

  struct Ring {
    explicit Ring(size_t count) : size(count), slots(std::make_unique<Event[]>(count)) {}

    // Producer.
    bool TryPut(Event& event, size_t limit) {
      size_t at = head.load(std::memory_order_relaxed);
      if (at - tail.load(std::memory_order_acquire) >= limit) return false;
      bytes.fetch_add(event.weight(), std::memory_order_relaxed);
      slots[at % size] = std::move(event);
      head.store(at + 1, std::memory_order_release);
      return true;
    }
    bool has_some() const {
      return head.load(std::memory_order_relaxed) != tail.load(std::memory_order_acquire);
    }
    // Consumer.
    bool Take(Event* out) {
      size_t at = tail.load(std::memory_order_relaxed);
      if (at == head.load(std::memory_order_acquire)) return false;
      Event& slot = slots[at % size];
      bytes.fetch_sub(slot.weight(), std::memory_order_relaxed);
      if (auto* of_link = slot.waiting_of_link()) of_link->fetch_sub(1, std::memory_order_relaxed);
      *out = std::move(slot);
      slot = Event{};
      tail.store(at + 1, std::memory_order_release);
      return true;
    }

    const size_t size;
    const std::unique_ptr<Event[]> slots;
    std::atomic<size_t> head{0};
    std::atomic<size_t> tail{0};
    std::atomic<size_t> bytes{0};
    size_t max_bytes = 0;
  };

  Ring checks_{kCheckSlots};
  Ring others_{kSlots};
  size_t checks_in_a_row_ = 0;       // of the consumer only
  std::atomic<uint32_t> raised_{0};  // of sticky events, a bit each
  // Of the producer only.
  std::deque<Event> waiting_;
  std::map<std::pair<LinkId, EventType>, Event> latest_;
  size_t max_of_link_ = 0;
};

}  // namespace idloc
