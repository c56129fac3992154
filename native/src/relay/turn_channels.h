#pragma once
// Channels at TURN servers (RFC 8656 s12): what stands for a relayed address of ours
// (IpAddress::is_allocation) and an endpoint beyond the server <-> the server and a channel number.
// JavaScript binds them (src/turn); here are those that are bound.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |         Channel Number        |            Length             |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   /                       Application Data                        /
//
// Over UDP nothing is padded (s12.5); over TCP a stream does it (stream/framing.h).
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/address.h"

namespace idloc {

inline constexpr size_t kChannelHeaderBytes = 4;

void WriteChannelHeader(uint8_t* out, uint16_t number, size_t length);

struct ChannelData {
  uint16_t number;
  uint8_t* data;  // borrowed, inside the datagram
  size_t length;
};

// Nothing: cut short, or empty. What stands behind the data is padding.
std::optional<ChannelData> ReadChannelData(uint8_t* datagram, size_t length);

class TurnChannels {
 public:
  // More than JavaScript binds.
  static constexpr size_t kMost = 256;

  struct Channel {
    Path path;    // as links see it: the allocation, the endpoint beyond
    Path server;  // as datagrams go: our address, the server; or the stream to it
    uint16_t number;
  };

  // In place of the one with this path. False: too many.
  bool Set(const Channel& channel);
  // False: there is none.
  bool Remove(const Path& path);

  // nullptr: none. Borrowed until the next change. The latest used is found first: calls are few.
  const Channel* Find(const Path& path);
  const Channel* FindNumber(const Endpoint& server, uint16_t number);

 private:
  template <typename Wanted>
  Channel* FindWhere(Wanted wanted);

  std::vector<Channel> channels_;
};

}  // namespace idloc
