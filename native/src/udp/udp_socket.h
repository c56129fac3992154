#pragma once
// A UDP socket of the agent, dual-stack, with batches in both directions. All of them have one port.
#include <sys/socket.h>

#include <cstdint>
#include <memory>

#include "base/counters.h"
#include "base/error.h"
#include "base/fd.h"
#include "net/address.h"

namespace idloc {

// 65,535 less the UDP and IPv4 headers: the most one sendmsg with UDP_SEGMENT takes, over either family.
inline constexpr size_t kMaxUdpPayload = 65'507;
inline constexpr size_t kMaxSegments = 64;

enum class SendResult { kSent, kBlocked, kFailed };

class UdpSocket {
 public:
  // Receive buffers of one batch. More would only keep other work waiting; the bytes also have to stay in the
  // cache.
  static constexpr size_t kBatch = 8;

  static constexpr size_t kHeadroom = 64;

  // Where a batch is received, by one socket after the other.
  class Buffers {
   private:
    friend class UdpSocket;
    static constexpr size_t kBytes = 65'536 + kHeadroom;
    static constexpr size_t kControlBytes = 128;

    std::unique_ptr<uint8_t[]> data_ = std::make_unique_for_overwrite<uint8_t[]>(kBatch * kBytes);
    mmsghdr messages_[kBatch] = {};
    iovec vectors_[kBatch] = {};
    sockaddr_storage names_[kBatch] = {};
    alignas(cmsghdr) uint8_t controls_[kBatch][kControlBytes] = {};
  };

  // One received buffer: one datagram, or several of `segment` bytes (the last may be shorter) from the same
  // sender.
  struct Received {
    Endpoint remote;
    IpAddress local;
    uint8_t* data;  // borrowed until the buffers are used again; writable, with kHeadroom bytes in front
    size_t length;
    size_t segment;
    uint8_t traffic_class;  // DSCP and ECN as they arrived
  };

  Error Open(uint16_t port, Counters* counters);
  // On the port of `first`, which has no device, but bound to the interface with index `device`: what it
  // sends leaves there, by the routes of that interface alone (SO_BINDTOIFINDEX, Linux 5.1; without privilege
  // 5.7). Which of the two receives what arrives there is the kernel's choice: Linux looks the group of an
  // urgent socket up as soon as it finds a member, whoever else would fit better.
  Error OpenOn(int device, UdpSocket* first, Counters* counters);
  // A second socket on the port and the device of `first`; the kernel gives it what is urgent: records that
  // their sender marked (link/record_format.h), handshakes and STUN. It is also read and written apart from
  // the first.
  Error OpenUrgent(UdpSocket* first, Counters* counters);
  // Of a socket with a device: nothing more arrives here, but at those that have none; what is there can
  // still be received.
  void TurnAway();

  int fd() const { return fd_.get(); }
  uint16_t port() const { return port_; }

  // Fills `batch` (kBatch entries) with what has arrived; returns how many, 0 when there is nothing.
  size_t Receive(Received* batch, Buffers* buffers);

  // How many bytes of payload the kernel may hold for us.
  void SetReceiveDepth(size_t bytes);

  // One datagram, or several of `segment` bytes. kBlocked: nothing was sent, try again when writable.
  SendResult Send(const Path& path, const uint8_t* data, size_t length, size_t segment,
                  uint8_t traffic_class = 0);

 private:
  SendResult SendOne(const Path& path, const uint8_t* data, size_t length, size_t segment,
                     uint8_t traffic_class, int* error);

  Fd fd_;
  Counters* counters_ = nullptr;  // borrowed from the data plane, which outlives the socket
  uint16_t port_ = 0;
  int device_ = 0;  // 0: of none
  Error Bind(uint16_t port, bool shared);
  void Configure();

  bool v6_ = true;            // false: the host has no IPv6, the socket is AF_INET
  bool can_segment_ = false;  // UDP_SEGMENT (Linux 4.18), taken back when a device refuses it
};

}  // namespace idloc
