#pragma once
// The sockets of one lane, all on one port: the main one, by which the kernel routes as it likes, and, while
// the host has several uplinks, one for each of them. The source address chooses by which a datagram leaves.
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "net/uplinks.h"
#include "udp/udp_socket.h"

namespace idloc {

struct LaneSocket {
  UdpSocket udp;
  int device = 0;                    // of an uplink; 0: the main one
  std::vector<IpAddress> addresses;  // that choose it

  // Receiving. Until one gets something it is looked at only when it is told to hold some: each look is a
  // system call.
  bool ready = false;
  bool receives = false;
  bool watched_for_room = false;

  // Sending.
  size_t waiting = 0;                  // groups in the queue that it did not take
  bool full = false;                   // in this round of the queue
  bool stalled = false;                // it took nothing for long: nothing waits for it
  Nanoseconds waiting_since = kNever;  // as far as somebody has looked
};

class LaneSockets {
 public:
  // For what was under way to a socket that is used no more, within the kernel.
  static constexpr Nanoseconds kLinger = 100 * kMillisecond;

  explicit LaneSockets(Counters* counters) : counters_(counters) {}

  // The main one; an urgent lane's has the port of `bulk`'s.
  Error Open(uint16_t port) { return main_.udp.Open(port, counters_); }
  Error OpenUrgent(LaneSockets* bulk) { return main_.udp.OpenUrgent(&bulk->main_.udp, counters_); }
  void Close();

  LaneSocket& main() { return main_; }
  const LaneSocket& main() const { return main_; }
  // Of uplinks, in use or about to be closed.
  const std::vector<std::unique_ptr<LaneSocket>>& others() const { return others_; }
  UdpSocket::Buffers* buffers() { return buffers_.get(); }
  // nullptr: none of these.
  LaneSocket* Find(int fd);

  // By which a datagram of this path leaves; without a local address: the main one, unless the kernel's
  // routes might take a forbidden interface.
  LaneSocket& For(const Path& path) { return others_.empty() ? main_ : Choose(path); }
  SendResult Send(const Path& path, const uint8_t* data, size_t length, size_t segment) {
    return For(path).udp.Send(path, data, length, segment);
  }
  // What says which that is; nullptr: the kernel alone.
  void SetGuide(const Uplinks* uplinks) { guide_ = uplinks; }

  // nullptr: there is none for this uplink.
  LaneSocket* Of(int device);
  void Add(std::unique_ptr<LaneSocket> socket) { others_.push_back(std::move(socket)); }
  // Nothing leaves by it any more; what has arrived is still to be received, until it is closed.
  void Retire(LaneSocket* socket, Nanoseconds now);
  Nanoseconds NextClosing() const { return retired_.empty() ? kNever : retired_.front().close_at; }
  // Those whose time has come, to be emptied before they go.
  std::vector<std::unique_ptr<LaneSocket>> TakeClosing(Nanoseconds now);

 private:
  struct Retired {
    LaneSocket* socket;  // in others_
    Nanoseconds close_at;
  };

  LaneSocket& Choose(const Path& path);

  Counters* counters_;              // borrowed: the data plane owns both
  const Uplinks* guide_ = nullptr;  // borrowed: it outlives the sockets
  LaneSocket main_;
  std::vector<std::unique_ptr<LaneSocket>> others_;
  std::vector<Retired> retired_;  // oldest first
  std::unique_ptr<UdpSocket::Buffers> buffers_ = std::make_unique<UdpSocket::Buffers>();
};

}  // namespace idloc
