#include "tunnel/voice_flows.h"

namespace idloc {

bool VoiceFlows::Observe(const FlowKey& flow, size_t length, Nanoseconds now) {
  Entry& entry = Find(flow);
  Nanoseconds gap = now - entry.last_at;
  entry.last_at = now;
  if (length > kMaxPacketBytes) {
    entry.voice = false;
    entry.packets = 0;
  } else if (entry.packets == 0 || gap > kMostInterval * kWindow) {
    // Voice that was silent for a while (no packets in silence, on hold) is still voice.
    entry.window_at = now;
    entry.packets = 1;
  } else if (++entry.packets > kWindow) {
    // The mean: a queue in front of us bunches packets, but it cannot make them more.
    Nanoseconds interval = (now - entry.window_at) / kWindow;
    bool voice = interval >= kLeastInterval && (entry.voice || interval <= kMostInterval);
    if (voice && !entry.voice) counters_->Add(Counter::voiceFlows);
    entry.voice = voice;
    entry.window_at = now;
    entry.packets = 1;
  }
  return entry.voice;
}

VoiceFlows::Entry& VoiceFlows::Find(const FlowKey& flow) {
  uint64_t mixed = (uint64_t{flow.destination} << 32 | flow.ports) * 0x9e3779b97f4a7c15;
  static_assert(kSets == 1 << 6);
  Entry* set = &entries_[(mixed >> (64 - 6)) * kWays];
  Entry* oldest = set;
  for (Entry* entry = set; entry != set + kWays; entry++) {
    if (entry->last_at != 0 && entry->flow == flow) return *entry;
    if (entry->last_at < oldest->last_at) oldest = entry;
  }
  *oldest = {flow, 0, 0, 0, false};
  return *oldest;
}

}  // namespace idloc
