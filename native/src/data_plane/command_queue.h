#pragma once
// Commands on their way from JavaScript (one producer) to the data-plane thread (one consumer). Neither ever
// waits for the other: a thread that loses its processor while it holds a lock stops whoever wants that lock.
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

#include "data_plane/command.h"

namespace idloc {

class CommandQueue {
 private:
  struct Node {
    Command command;
    size_t bytes;
    Node* before;  // once collected: the one after it
  };

 public:
  static constexpr size_t kOverhead = sizeof(Node);  // of a command with data

  CommandQueue() = default;
  CommandQueue(const CommandQueue&) = delete;
  CommandQueue& operator=(const CommandQueue&) = delete;
  ~CommandQueue() {
    Command command;
    do {
      while (Pop(&command)) {
      }
      Collect();
    } while (collected_ != nullptr);
  }

  // Before either side begins. Commands without data do not count against it.
  void SetMaxBytes(size_t bytes) { max_bytes_ = bytes; }

  // Producer. True: the consumer has to be woken. What is too much is lost and counted.
  bool Push(Command command) {
    size_t bytes = Weight(command);
    if (bytes > 0 && bytes_.load(std::memory_order_relaxed) + bytes > max_bytes_) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    auto* node = new Node{std::move(command), bytes, nullptr};
    Node* before = newest_.load(std::memory_order_relaxed);
    do {
      node->before = before;
    } while (
        !newest_.compare_exchange_weak(before, node, std::memory_order_release, std::memory_order_relaxed));
    return before == nullptr;
  }

  // Consumer, which has popped all of the last time: what is there now can be popped. Returns how many were
  // lost since the last time.
  uint64_t Collect() {
    Node* node = newest_.exchange(nullptr, std::memory_order_acquire);
    Node* after = nullptr;
    size_t bytes = 0;
    while (node != nullptr) {
      bytes += node->bytes;
      Node* before = std::exchange(node->before, after);
      after = std::exchange(node, before);
    }
    collected_ = after;
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    return dropped_.exchange(0, std::memory_order_relaxed);
  }
  // Consumer, in the order in which they came. False: none is left of what was collected.
  bool Pop(Command* out) {
    if (collected_ == nullptr) return false;
    std::unique_ptr<Node> node(std::exchange(collected_, collected_->before));
    *out = std::move(node->command);
    return true;
  }

 private:
  static size_t Weight(const Command& command) {
    if (auto* datagram = std::get_if<SendDatagram>(&command)) return datagram->data.size() + kOverhead;
    if (auto* record = std::get_if<SendRecord>(&command)) return record->data.size() + kOverhead;
    return 0;
  }

  std::atomic<Node*> newest_{nullptr};  // owns the list
  Node* collected_ = nullptr;           // the oldest; owns the list; consumer only
  std::atomic<size_t> bytes_{0};
  std::atomic<uint64_t> dropped_{0};
  size_t max_bytes_ = 0;
};

}  // namespace idloc
