#pragma once
// How much memory strangers, programs and a busy event loop may fill. What goes beyond is dropped and
// counted; links stay. The contract is DataPlaneLimits in src/native/data-plane.ts.
#include <cstddef>

namespace idloc {

struct Limits {
  size_t half_open_handshakes = 256;      // of unknown peers that proved their address
  size_t held_bytes = 16 * 1024 * 1024;   // packets of programs that wait for a link
  size_t early_bytes = 4 * 1024 * 1024;   // packets of peers that wait to be authorized
  size_t queued_bytes = 4 * 1024 * 1024;  // datagrams and records from JavaScript
  size_t event_bytes = 4 * 1024 * 1024;   // events to JavaScript
  // Records of one link among those, and as many STUN datagrams: a peer that sends as RELOAD wants has one
  // message under way, and a flood of one that does not holds nobody else up.
  size_t link_events = 64;
};

}  // namespace idloc
