#include "relay/turn_channels.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace idloc {

void WriteChannelHeader(uint8_t* out, uint16_t number, size_t length) {
  StoreBe16(out, number);
  StoreBe16(out + 2, static_cast<uint16_t>(length));
}

std::optional<ChannelData> ReadChannelData(uint8_t* datagram, size_t length) {
  if (length <= kChannelHeaderBytes) return std::nullopt;
  size_t claimed = LoadBe16(datagram + 2);
  if (claimed == 0 || claimed > length - kChannelHeaderBytes) return std::nullopt;
  return ChannelData{LoadBe16(datagram), datagram + kChannelHeaderBytes, claimed};
}

template <typename Wanted>
TurnChannels::Channel* TurnChannels::FindWhere(Wanted wanted) {
  for (size_t i = 0; i < channels_.size(); i++) {
    if (!wanted(channels_[i])) continue;
    // One place forward each time: those in use come to stand in front.
    if (i > 0) std::swap(channels_[i], channels_[i - 1]);
    return &channels_[i == 0 ? 0 : i - 1];
  }
  return nullptr;
}

bool TurnChannels::Set(const Channel& channel) {
  Channel* known = FindWhere([&](const Channel& other) { return other.path == channel.path; });
  if (known != nullptr) {
    *known = channel;
    return true;
  }
  if (channels_.size() >= kMost) return false;
  channels_.push_back(channel);
  return true;
}

bool TurnChannels::Remove(const Path& path) {
  return std::erase_if(channels_, [&](const Channel& channel) { return channel.path == path; }) > 0;
}

const TurnChannels::Channel* TurnChannels::Find(const Path& path) {
  return FindWhere([&](const Channel& channel) { return channel.path == path; });
}

const TurnChannels::Channel* TurnChannels::FindNumber(const Endpoint& server, uint16_t number) {
  return FindWhere(
      [&](const Channel& channel) { return channel.number == number && channel.server.remote == server; });
}

}  // namespace idloc
