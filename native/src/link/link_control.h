#pragma once
// Link control: records between the two data planes, told apart from packets and RELOAD frames by their first
// byte (0x20-0x2f).
#include <cstddef>
#include <cstdint>

namespace idloc {

// Answered with kEchoReply and the same rest.
inline constexpr uint8_t kEchoRequest = 0x20;
inline constexpr uint8_t kEchoReply = 0x21;

// Path MTU probe: identification (4 bytes), then as many zeros as the datagram's size asks for. Answered with
// kProbeReply and the identification.
inline constexpr uint8_t kProbeRequest = 0x22;
inline constexpr uint8_t kProbeReply = 0x23;
inline constexpr size_t kProbeReplyBytes = 5;

// A datagram between two members whom the host in the middle is linked with (relay/hop.h): the HIT of the
// other end, and the datagram. kHopTo asks the peer to hand it on; kHopFrom is what it then sends there.
inline constexpr uint8_t kHopTo = 0x2b;
inline constexpr uint8_t kHopFrom = 0x2c;
inline constexpr size_t kHopHeaderBytes = 1 + 16;

// Whether a path of the link works in both directions, and which of them the sender uses: flags, nonce (8
// bytes), count of records received on this path (4 bytes), zeros. Answered with the same nonce, by the path
// by which it came, without the zeros.
inline constexpr uint8_t kPathProbe = 0x24;
inline constexpr uint8_t kPathProbeAnswer = 0x25;

// Nothing follows: until it has something to send, the sender sends nothing, not even to keep NATs open. That
// nothing comes from it says nothing of it, and the peer asks for no sign of life.
inline constexpr uint8_t kAsleep = 0x26;

// One datagram of the handshake of a new association for this link follows.
inline constexpr uint8_t kRekeyFlight = 0x28;
// Nothing follows: the client says by it, in the new epoch, that it has the new keys.
inline constexpr uint8_t kRekeyDone = 0x29;

}  // namespace idloc
