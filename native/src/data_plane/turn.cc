// Paths by TURN servers (relay/turn_channels.h), both ways:
//   1. ReserveTurn: a datagram is written behind the header of its channel, and goes to the server as any
//   other, or by a stream
//   2. HandleChannelData: what comes from a server is handled as if it had come to the relayed address
#include <optional>

#include "data_plane/data_plane.h"
#include "relay/hop.h"
#include "relay/turn_channels.h"

namespace idloc {

DataPlane::Slot DataPlane::ReserveTurn(Lane* lane, const Path& path, size_t length, uint8_t traffic_class) {
  Slot slot;
  const TurnChannels::Channel* channel = turn_channels_.Find(path);
  if (channel == nullptr) {
    counters_->Add(Counter::dropNoChannel);
    return slot;
  }
  if (length + kChannelHeaderBytes > kMaxUdpPayload) return slot;
  slot = ReserveDirect(lane, channel->server, length + kChannelHeaderBytes, traffic_class);
  uint8_t* datagram = slot.data;
  if (datagram == nullptr) return slot;
  WriteChannelHeader(datagram, channel->number, length);
  slot.data = datagram + kChannelHeaderBytes;
  counters_->Add(Counter::turnSent);
  return slot;
}

void DataPlane::HandleChannelData(uint8_t* datagram, size_t length, const Path& path) {
  std::optional<ChannelData> found = ReadChannelData(datagram, length);
  const TurnChannels::Channel* channel =
      found.has_value() ? turn_channels_.FindNumber(path.remote, found->number) : nullptr;
  // Inside is nothing but what members need for a link, and no channel.
  if (channel == nullptr || !MayHop(found->data, found->length)) {
    counters_->Add(Counter::dropTurnRefused);
    return;
  }
  counters_->Add(Counter::turnReceived);
  // By value: what is handled may change the order.
  const Path inside = channel->path;
  HandleDatagram(found->data, found->length, inside);
}

void DataPlane::Handle(SetTurnChannel& command) {
  const TurnChannels::Channel& channel = command.channel;
  // The server itself is reached by no relay.
  bool valid = channel.path.is_turn() && !channel.path.remote.address.is_allocation() &&
               !channel.path.is_stream() && !channel.server.is_turn() && !channel.server.is_hop();
  if (!valid || !turn_channels_.Set(channel)) counters_->Add(Counter::dropNoChannel);
}

void DataPlane::Handle(RemoveTurnChannel& command) {
  // Links go on by their other paths.
  if (turn_channels_.Remove(command.path)) LookAtPaths();
}

}  // namespace idloc
