#pragma once
// Bounded ring from the data-plane thread (one producer) to JavaScript (one consumer).
#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>

#include "data_plane/event.h"

namespace idloc {

class EventRing {
 public:
  static constexpr size_t kSlots = 4096;
  static constexpr size_t kReserved = 256;  // only for essential events

  EventRing() : slots_(std::make_unique<Event[]>(kSlots)) {}

  // Before either side begins. Essential events do not count against it.
  void SetLimits(size_t bytes, size_t of_a_link) {
    max_bytes_ = bytes;
    max_of_link_ = of_a_link;
  }

  // Producer. False: full, the event is lost; never for essential ones, which wait on the producer's side
  // (their number is bounded by the number of links).
  bool Push(Event&& event) {
    if (event.essential()) {
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
    return head_.load(std::memory_order_relaxed) != tail_.load(std::memory_order_acquire);
  }
  bool has_waiting() const { return !waiting_.empty(); }

  // Consumer. False: empty.
  bool Pop(Event* out) {
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
  bool TryPut(Event& event, size_t limit) {
    size_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) >= limit) return false;
    bytes_.fetch_add(event.weight(), std::memory_order_relaxed);
    slots_[head % kSlots] = std::move(event);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  std::unique_ptr<Event[]> slots_;
  std::deque<Event> waiting_;  // producer only
  std::atomic<size_t> head_{0};
  std::atomic<size_t> tail_{0};
  std::atomic<size_t> bytes_{0};
  size_t max_bytes_ = 0;
  size_t max_of_link_ = 0;
};

}  // namespace idloc
