#pragma once
// Bounded ring from the data-plane thread (one producer) to JavaScript (one consumer). When it is full, what
// peers and programs send is lost, and nothing else:
//   sticky events   a flag each, beside the ring and before it
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

  EventRing() : slots_(std::make_unique<Event[]>(kSlots)) {}

  // Before either side begins. Of records and datagrams: other events do not count against it.
  void SetLimits(size_t bytes, size_t of_a_link) {
    max_bytes_ = bytes;
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
      } else if (!waiting_.empty() || !TryPut(event, kSlots - kReserved)) {
        latest_.emplace(std::pair{event.link, event.type}, std::move(event));
      }
      return true;
    }
    if (event.essential()) {
      if (event.type == EventType::kClosed) {
        for (EventType type : {EventType::kMoved, EventType::kNewPath}) latest_.erase({event.link, type});
      }
      if (!waiting_.empty() || !TryPut(event, kSlots)) waiting_.push_back(std::move(event));
      return true;
    }
    if (!waiting_.empty() || bytes_.load(std::memory_order_relaxed) + event.weight() > max_bytes_)
      return false;
    if (!event.counts_for_link()) return TryPut(event, kSlots - kReserved);
    // Counted first: the consumer may take it out before this line is over.
    LinkStats* stats = event.stats.get();
    bool put = stats->waiting.fetch_add(1, std::memory_order_relaxed) < max_of_link_ &&
               TryPut(event, kSlots - kReserved);
    if (!put) stats->waiting.fetch_sub(1, std::memory_order_relaxed);
    return put;
  }
  // Producer: moves waiting events into the ring. True when something is there for JavaScript.
  bool Settle() {
    while (!waiting_.empty() && TryPut(waiting_.front(), kSlots)) waiting_.pop_front();
    if (waiting_.empty()) {
      auto next = latest_.begin();
      while (next != latest_.end() && TryPut(next->second, kSlots - kReserved)) next = latest_.erase(next);
    }
    return raised_.load(std::memory_order_relaxed) != 0 ||
           head_.load(std::memory_order_relaxed) != tail_.load(std::memory_order_acquire);
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
    size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return false;
    Event& slot = slots_[tail % kSlots];
    bytes_.fetch_sub(slot.weight(), std::memory_order_relaxed);
    if (slot.counts_for_link()) slot.stats->waiting.fetch_sub(1, std::memory_order_relaxed);
    *out = std::move(slot);
    slot = Event{};
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

 private:
  static uint32_t Flag(EventType type) { return uint32_t{1} << static_cast<uint8_t>(type); }

  bool TryPut(Event& event, size_t limit) {
    size_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) >= limit) return false;
    bytes_.fetch_add(event.weight(), std::memory_order_relaxed);
    slots_[head % kSlots] = std::move(event);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  std::unique_ptr<Event[]> slots_;
  std::atomic<uint32_t> raised_{0};  // of sticky events, a bit each
  // Of the producer only.
  std::deque<Event> waiting_;
  std::map<std::pair<LinkId, EventType>, Event> latest_;
  std::atomic<size_t> head_{0};
  std::atomic<size_t> tail_{0};
  std::atomic<size_t> bytes_{0};
  size_t max_bytes_ = 0;
  size_t max_of_link_ = 0;
};

}  // namespace idloc
