#pragma once
// What the data plane knows of one link. Owned by the LinkTable, used by the data-plane thread only.
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "link/dtls_session.h"
#include "link/path_set.h"
#include "net/address.h"

namespace idloc {

using LinkId = uint32_t;

// RFC 8200 s5: every IPv6 path carries it. Also BASE_PLPMTU of RFC 8899.
inline constexpr uint16_t kBasePathMtu = 1280;

// Shared by the thread, which writes, and JavaScript, which reads.
struct LinkStats {
  std::atomic<uint64_t> rx_bytes{0};
  std::atomic<uint64_t> tx_bytes{0};
  std::atomic<uint64_t> rx_packets{0};
  std::atomic<uint64_t> tx_packets{0};
  std::atomic<uint32_t> handshakes{0};
  std::atomic<uint32_t> rekeys{0};
  // Those that wait for JavaScript.
  std::atomic<uint32_t> waiting_records{0};
  std::atomic<uint32_t> waiting_checks{0};

  void AddReceived(uint64_t bytes) {
    rx_bytes.store(rx_bytes.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    rx_packets.store(rx_packets.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void AddSent(uint64_t bytes, uint64_t packets) {
    tx_bytes.store(tx_bytes.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    tx_packets.store(tx_packets.load(std::memory_order_relaxed) + packets, std::memory_order_relaxed);
  }
};

// While keys change (data_plane/rekey.cc).
struct Rekeying {
  std::unique_ptr<DtlsSession> next;     // in its handshake, or until the peer is known to use it
  std::unique_ptr<DtlsSession> retired;  // opens what was under way
  Nanoseconds started_at = 0;
  Nanoseconds retransmit_at = kNever;
  Nanoseconds retired_until = kNever;
  Nanoseconds done_said_at = 0;
};

struct Link {
  LinkId id = 0;
  bool server = false;
  // Made by a ClientHello with a cookie, not by JavaScript: counts against the bound of half-open handshakes.
  bool incoming = false;
  bool connected = false;
  // Absent before the handshake starts.
  std::unique_ptr<DtlsSession> session;
  // Absent before the first change of keys.
  std::unique_ptr<Rekeying> rekeying;
  Nanoseconds rekey_at = kNever;  // at the next record after that
  Nanoseconds rekey_not_before = 0;
  // Of a server, whose peer begins: what it had sent and got when it last did, and up to when it has used
  // what it may.
  uint64_t carried_at_rekey = 0;
  Nanoseconds rekey_paid_until = -kNever;
  bool keys_due = false;  // in DataPlane::keys_due_
  // Where sends go. Until JavaScript sets it, a server answers to where the handshake came from.
  std::optional<Path> path;
  bool path_is_set = false;
  // The largest datagram, with its IP header, that the path is known to carry.
  uint16_t path_mtu = kBasePathMtu;
  // ICMP "too big" to programs here: IPv4, IPv6.
  Nanoseconds next_too_big_at[2] = {0, 0};
  Nanoseconds next_large_report_at = 0;
  // `path` is its active one. Absent before the link is connected, and without connection IDs.
  std::unique_ptr<PathSet> paths;
  // The newest urgent record as it left, and its traffic class: for another path that opens after it. Empty
  // while the link rests.
  std::vector<uint8_t> newest_urgent;
  uint8_t newest_urgent_class = 0;
  // Links of this host go by hops over the peer.
  bool carries_hops = false;
  Nanoseconds paths_at = kNever;  // when the data plane looks at them next
  Nanoseconds started_at = 0;
  // Of a client: when the server answered by more than a cookie, and when a ClientHello of that host was
  // first refused.
  Nanoseconds answered_at = kNever;
  Nanoseconds refused_at = kNever;
  Nanoseconds connected_at = 0;
  Nanoseconds retransmit_at = kNever;
  // Inner addresses of the peer; packets pass once `authorized`.
  bool authorized = false;
  IpAddress hit;
  std::optional<IpAddress> ipv4;
  uint32_t user = 0;  // all hosts of one user share what is handed on for them (relay/quota.h); 0: nobody's
  std::shared_ptr<LinkStats> stats;
  // When a record last proved that the peer is there.
  Nanoseconds heard_at = 0;
  // JavaScript does not look after the path: the data plane asks for signs of life.
  bool resting = false;
  // Not even that, since this end or the other one wants it so (kAsleep).
  bool asleep = false;
  bool peer_asleep = false;
  Nanoseconds quiet_since = 0;
  uint8_t unanswered = 0;  // signs of life that were asked for since one came
  uint64_t rest_tick = 0;  // of RestingLinks
};

}  // namespace idloc
