#pragma once
// Two ends of a link over paths that are made of a delay and of what they lose, in virtual time.
#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>
#include <vector>

#include "link/link_control.h"
#include "link/path_set.h"
#include "support/check.h"

namespace idloc::test {

inline constexpr Nanoseconds kVoice = 20 * kMillisecond;
inline constexpr size_t kProbeDatagram = 60;
inline constexpr size_t kVoiceDatagram = 200;
inline constexpr uint8_t kDirectPreference = 200;

inline bool Gone(const Path&) { return false; }

inline Endpoint At(uint8_t host, uint16_t port = 6084) {
  uint8_t address[4] = {192, 0, 2, host};
  return {IpAddress::FromV4(address), port};
}

// Between an address of one end and one of the other, as each end sees it.
struct Wire {
  Path of_a;
  Path of_b;
  Nanoseconds delay = 0;
  bool dead[2] = {false, false};  // what A sends, what B sends
  int lose_each = 0;              // 0: none
};

struct End {
  explicit End(bool server) : paths(server, kProbeDatagram, &ranks) {}
  LocalRanks ranks;
  PathSet paths;
  bool speaks = true;
  Nanoseconds speaks_at = 0;
  uint64_t next_voice = 0;
  // What came of the other end's voice.
  uint64_t newest = 0;
  uint64_t heard = 0;
  uint64_t reordered = 0;
  Nanoseconds heard_at = 0;
  Nanoseconds longest = 0;
  uint64_t probes = 0;
  uint64_t padded_probes = 0;
  uint64_t voice_datagrams = 0;
  int switches = 0;
  int no_path = 0;
  int unheard = 0;
  std::vector<bool> seen = std::vector<bool>(200'000);
};

struct Packet {
  Nanoseconds at;
  uint64_t order;
  int to;
  size_t wire;
  bool probe;
  uint64_t voice;
  std::array<uint8_t, PathSet::kRecordBytes> record;
  size_t padding;
  bool operator>(const Packet& other) const { return std::tie(at, order) > std::tie(other.at, other.order); }
};

struct Case {
  Nanoseconds delay;
  bool a_speaks;
  bool b_speaks;
};

class PathWorld {
 public:
  explicit PathWorld(Nanoseconds start = 7 * kSecond) : now(start) {}
  explicit PathWorld(const Case& c) : PathWorld() {
    a.speaks = c.a_speaks;
    b.speaks = c.b_speaks;
  }

  size_t AddWire(const Endpoint& a, const Endpoint& b, Nanoseconds delay) {
    wires.push_back({{a.address, b}, {b.address, a}, delay, {false, false}, 0});
    return wires.size() - 1;
  }
  // Both ends use it.
  void Begin(size_t wire, uint8_t preference = kDirectPreference) {
    a.paths.Select(wires[wire].of_a, preference, now);
    b.paths.Select(wires[wire].of_b, preference, now);
  }
  void AddToBoth(size_t wire, uint8_t preference = kDirectPreference) {
    a.paths.Add(wires[wire].of_a, preference, now);
    b.paths.Add(wires[wire].of_b, preference, now);
    Send(0);
    Send(1);
  }
  void AddToOne(End* end, size_t wire, bool expected) {
    bool is_a = end == &a;
    end->paths.Add(is_a ? wires[wire].of_a : wires[wire].of_b, kDirectPreference, now, expected);
    Send(is_a ? 0 : 1);
  }
  void Kill(size_t wire) { wires[wire].dead[0] = wires[wire].dead[1] = true; }

  void Run(Nanoseconds time) {
    Nanoseconds until = now + time;
    for (;;) {
      Nanoseconds next = until;
      for (End* end : {&a, &b}) {
        next = std::min(next, end->paths.NextTimeout());
        if (end->speaks) next = std::min(next, end->speaks_at);
      }
      if (!packets.empty()) next = std::min(next, packets.top().at);
      CHECK(++steps < 2'000'000);
      if (next >= until) {
        now = until;
        return;
      }
      now = std::max(now, next);
      while (!packets.empty() && packets.top().at <= now) {
        Packet packet = packets.top();
        packets.pop();
        Receive(packet);
      }
      for (int i = 0; i < 2; i++) {
        End& end = i == 0 ? a : b;
        if (end.speaks && end.speaks_at <= now) {
          end.speaks_at = now + kVoice;
          Speak(i);
        }
        if (end.paths.NextTimeout() <= now) end.paths.HandleTimeout(now);
        Send(i);
      }
    }
  }
  // From now on gaps and counts are of what comes.
  void Measure() {
    for (End* end : {&a, &b}) {
      end->longest = 0;
      end->heard_at = now;
      end->probes = end->padded_probes = end->voice_datagrams = 0;
      end->switches = end->no_path = end->unheard = 0;
      end->reordered = 0;
    }
  }

  Nanoseconds now;
  End a{false};
  End b{true};
  std::vector<Wire> wires;

 private:
  const Wire* Find(int from, const Path& route, size_t* index) {
    for (size_t i = 0; i < wires.size(); i++) {
      const Path& own = from == 0 ? wires[i].of_a : wires[i].of_b;
      if (own.remote == route.remote && (route.local.unset() || own.local == route.local)) {
        *index = i;
        return &wires[i];
      }
    }
    return nullptr;
  }
  void Put(int from, const Path& route, Packet packet) {
    size_t index = 0;
    const Wire* wire = Find(from, route, &index);
    if (wire == nullptr || wire->dead[from]) return;
    if (wire->lose_each > 0 && ++count_ % static_cast<uint64_t>(wire->lose_each) == 0) return;
    packet.at = now + wire->delay;
    packet.order = order_++;
    packet.to = 1 - from;
    packet.wire = index;
    packets.push(packet);
  }
  void Speak(int from) {
    End& end = from == 0 ? a : b;
    if (end.paths.active() == nullptr) return;
    Packet packet{};
    packet.probe = false;
    packet.voice = ++end.next_voice;
    end.voice_datagrams++;
    Put(from, *end.paths.active(), packet);
    if (const Path* spare = end.paths.SpareFor(kVoiceDatagram); spare != nullptr) {
      end.paths.SentTwice(kVoiceDatagram);
      end.voice_datagrams++;
      Put(from, *spare, packet);
    }
    end.paths.Sent(1, true, now);
  }
  void Send(int from) {
    End& end = from == 0 ? a : b;
    PathSet::Outgoing out;
    while (end.paths.Poll(&out)) {
      Packet packet{};
      packet.probe = true;
      packet.record = out.record;
      packet.padding = out.padding;
      if (out.padding > 0) end.padded_probes++;
      end.probes++;
      Put(from, out.route, packet);
    }
    while (const Path* again = end.paths.TakeAgain(kVoiceDatagram, now)) {
      Packet packet{};
      packet.probe = false;
      packet.voice = end.next_voice;
      end.voice_datagrams++;
      Put(from, *again, packet);
    }
    if (end.paths.TakeSwitched().has_value()) end.switches++;
    if (end.paths.TakeNoPath()) end.no_path++;
    if (end.paths.TakeUnheard()) end.unheard++;
  }
  void Receive(const Packet& packet) {
    End& end = packet.to == 0 ? a : b;
    const Wire& wire = wires[packet.wire];
    const Path& route = packet.to == 0 ? wire.of_a : wire.of_b;
    bool newest = !packet.probe && packet.voice > end.newest;
    size_t bytes = packet.probe ? kProbeDatagram + packet.padding : kVoiceDatagram;
    if (!packet.probe) {
      // The replay window.
      if (end.seen[packet.voice]) return;
      end.seen[packet.voice] = true;
    }
    if (end.paths.IsActive(route)) {
      end.paths.HeardActive(route, now);
    } else {
      end.paths.Heard(route, bytes, newest, true, now);
    }
    if (packet.probe) {
      if (packet.record[0] == kPathProbeAnswer) {
        end.paths.Answered(route, packet.record.data(), now);
      } else {
        Packet answer{};
        answer.probe = true;
        answer.record = end.paths.Probed(route, packet.record.data(), now);
        Put(packet.to, route, answer);
      }
    } else {
      if (!newest) end.reordered++;
      end.newest = std::max(end.newest, packet.voice);
      end.heard++;
      end.longest = std::max(end.longest, now - end.heard_at);
      end.heard_at = now;
    }
    Send(packet.to);
  }

  std::priority_queue<Packet, std::vector<Packet>, std::greater<>> packets;
  uint64_t order_ = 0;
  uint64_t count_ = 0;
  int steps = 0;
};

inline void ForEachCase(const std::function<void(const Case&)>& run) {
  for (Nanoseconds delay : {Nanoseconds{50'000}, 30 * kMillisecond}) {
    for (bool a_speaks : {true, false}) {
      for (bool b_speaks : {true, false}) {
        if (a_speaks || b_speaks) run({delay, a_speaks, b_speaks});
      }
    }
  }
}

// Two uplinks of A, one of B.
inline size_t TwoUplinks(PathWorld* world, Nanoseconds delay) {
  world->AddWire(At(1), At(9), delay);
  size_t other = world->AddWire(At(2), At(9), delay);
  world->Begin(0);
  world->AddToBoth(other);
  return other;
}

}  // namespace idloc::test
