// By which of its paths a link sends, and when it goes over to another one.
#include <algorithm>

#include "link/link_control.h"
#include "link/path_set.h"
#include "support/path_world.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

// Paths die and come back, in one direction or both, now and then all at once; who speaks changes.
void LivesThrough(Source& source) {
  PathWorld world(static_cast<Nanoseconds>(1 + source.Below(1'000)) * kSecond);
  size_t count = source.Between(1, 4);
  for (size_t i = 0; i < count; i++) {
    auto delay = static_cast<Nanoseconds>(source.Between(1, 80)) * kMillisecond;
    world.AddWire(At(static_cast<uint8_t>(1 + i % 2)), At(static_cast<uint8_t>(8 + i / 2)), delay);
    world.wires[i].lose_each = source.OneIn(3) ? static_cast<int>(source.Between(10, 60)) : 0;
  }
  // Often alike, so that the uplinks decide.
  bool alike = source.OneIn(2);
  auto preference = [&] { return alike ? kDirectPreference : static_cast<uint8_t>(source.Between(1, 255)); };
  world.Begin(0, preference());
  for (size_t i = 1; i < count; i++) world.AddToBoth(i, preference());
  // Which of its two addresses an end prefers, if it has a choice.
  if (source.OneIn(2)) world.a.ranks.Set(At(static_cast<uint8_t>(source.Between(1, 2))).address, 1);
  if (source.OneIn(2)) world.b.ranks.Set(At(static_cast<uint8_t>(source.Between(8, 9))).address, 1);
  for (size_t round = source.Between(1, 12); round > 0; round--) {
    for (Wire& wire : world.wires) {
      for (bool& dead : wire.dead) dead = source.OneIn(3);
    }
    world.a.speaks = !source.OneIn(4);
    world.b.speaks = !source.OneIn(4);
    world.Run(static_cast<Nanoseconds>(source.Between(1, 8'000)) * kMillisecond);
    CHECK(world.a.paths.entries().size() <= 9 && world.b.paths.entries().size() <= 9);
  }
  world.a.speaks = world.b.speaks = true;
  for (Wire& wire : world.wires) {
    wire.dead[0] = wire.dead[1] = false;
    wire.lose_each = 0;
  }
  world.Run(15 * kSecond);
  world.Measure();
  world.Run(5 * kSecond);
  CHECK(world.a.longest <= 200 * kMillisecond && world.b.longest <= 200 * kMillisecond);
  CHECK(world.a.switches == 0 && world.b.switches == 0);
}

}  // namespace

PROPERTY("paths die and come back at random: in the end both hear each other, and stay where they are",
         LivesThrough, 300);

TEST("ends that follow each other, or each have a better path than the other's, do not swap for ever") {
  for (uint64_t seed :
       {600'023, 1'100'012, 1'600'020, 5'200'019, 5'900'028, 9'597, 12'079, 102'761, 171'366, 180'325}) {
    Source source(seed);
    LivesThrough(source);
  }
}

TEST("a path dies silently: voice goes by the other within 120 ms and a round trip, both ways or one") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    size_t other = TwoUplinks(&world, c.delay);
    world.Run(3 * kSecond);
    world.Measure();
    world.Kill(0);
    world.Run(5 * kSecond);
    Nanoseconds bound = 120 * kMillisecond + 2 * c.delay + kVoice;
    if (c.a_speaks) CHECK(world.b.longest <= bound && *world.a.paths.active() == world.wires[other].of_a);
    if (c.b_speaks) CHECK(world.a.longest <= bound && *world.b.paths.active() == world.wires[other].of_b);
    CHECK(world.a.switches <= 1 && world.b.switches <= 1);
    CHECK(world.a.no_path == 0 && world.b.no_path == 0);
  });
}

TEST("the local address was the kernel's choice: from another one to the same remote is a path of its own") {
  // As on a link that was dialed; from where it goes is seen in what comes back.
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    world.AddWire(At(1), At(9), c.delay);
    size_t other = world.AddWire(At(2), At(9), c.delay);
    world.a.paths.Select({{}, At(9)}, PathSet::kUnknownPreference, world.now);
    world.b.paths.Select(world.wires[0].of_b, kDirectPreference, world.now);
    world.Run(kSecond);
    CHECK(*world.a.paths.active() == world.wires[0].of_a);
    // JavaScript says both again: nothing is there twice.
    world.a.paths.Select({{}, At(9)}, PathSet::kUnknownPreference, world.now);
    world.a.paths.Select(world.wires[0].of_a, kDirectPreference, world.now);
    world.a.paths.Add(world.wires[0].of_a, kDirectPreference, world.now);
    CHECK(world.a.paths.entries().size() == 1);
    world.a.paths.Add(world.wires[other].of_a, kDirectPreference, world.now);
    world.Run(2 * kSecond);
    CHECK(world.a.paths.entries().size() == 2 && world.b.paths.entries().size() == 2);
    world.Measure();
    world.Kill(0);
    world.Run(3 * kSecond);
    Nanoseconds bound = 120 * kMillisecond + 2 * c.delay + kVoice;
    if (c.a_speaks) CHECK(world.b.longest <= bound);
    if (c.b_speaks) CHECK(world.a.longest <= bound);
    CHECK(world.a.no_path == 0 && world.b.no_path == 0);
  });
}

TEST(
    "both addresses are gone in turn: what was sent from anywhere meanwhile does not stand for the path that "
    "comes back") {
  PathWorld world;
  size_t other = TwoUplinks(&world, kMillisecond);
  world.Run(3 * kSecond);
  world.a.paths.Lose([](const Path&) { return false; }, Gone, world.now);
  CHECK(world.a.paths.entries().size() == 1 && world.a.paths.active()->local.unset());
  world.a.paths.Add(world.wires[other].of_a, kDirectPreference, world.now);
  world.Run(kSecond);
  world.a.paths.Select(world.wires[0].of_a, kDirectPreference, world.now);
  world.a.paths.Add(world.wires[other].of_a, kDirectPreference, world.now);
  world.Run(2 * kSecond);
  CHECK(world.a.paths.entries().size() == 2 && world.b.paths.entries().size() == 2);
  world.Measure();
  world.Kill(*world.a.paths.active() == world.wires[0].of_a ? 0 : other);
  world.Run(3 * kSecond);
  CHECK(world.a.longest <= 150 * kMillisecond && world.b.longest <= 150 * kMillisecond);
}

TEST(
    "the peer is elsewhere, as it has said by others: the newest voice is there as soon as the first probe") {
  for (Nanoseconds phase = 0; phase < kVoice; phase += kMillisecond) {
    PathWorld world(Case{30 * kMillisecond, false, true});
    world.AddWire(At(1), At(9), 30 * kMillisecond);
    size_t other = world.AddWire(At(2), At(9), 30 * kMillisecond);
    world.Begin(0);
    world.Run(3 * kSecond + phase);
    world.Kill(0);
    world.Run(50 * kMillisecond);
    uint64_t said = world.b.next_voice;
    CHECK(world.a.newest < said);
    world.AddToOne(&world.b, other, true);
    world.Run(world.wires[other].delay + 1);
    CHECK(world.a.newest >= said);
    world.Run(kSecond);
    CHECK(*world.b.paths.active() == world.wires[other].of_b);
  }
}

TEST("the only path has died and another one answers: what was said last is said again there, at once") {
  for (Nanoseconds phase = 0; phase < kVoice; phase += kMillisecond) {
    PathWorld world(Case{30 * kMillisecond, true, false});
    world.AddWire(At(1), At(9), 30 * kMillisecond);
    size_t other = world.AddWire(At(2), At(9), 30 * kMillisecond);
    world.Begin(0);
    world.Run(3 * kSecond + phase);
    world.Kill(0);
    world.Run(600 * kMillisecond);
    world.AddToOne(&world.a, other, false);
    world.Run(2 * world.wires[other].delay - 1);
    uint64_t said = world.a.next_voice;
    world.Run(world.wires[other].delay + 2);
    CHECK(world.b.newest >= said);
  }
}

TEST(
    "what was said last is not said again when it was long ago, or when it has got there by a path that "
    "works") {
  PathWorld silent(Case{30 * kMillisecond, false, true});
  silent.AddWire(At(1), At(9), 30 * kMillisecond);
  size_t other = silent.AddWire(At(2), At(9), 30 * kMillisecond);
  silent.Begin(0);
  silent.Run(3 * kSecond);
  silent.b.speaks = false;
  silent.Run(100 * kMillisecond);
  silent.Measure();
  silent.AddToOne(&silent.b, other, true);
  silent.Run(kSecond);
  CHECK(silent.b.voice_datagrams == 0);

  PathWorld better;
  better.AddWire(At(1), At(9), 30 * kMillisecond);
  better.AddWire(At(2), At(9), 30 * kMillisecond);
  better.Begin(0, 100);
  better.Run(3 * kSecond);
  better.Measure();
  uint64_t before = better.a.next_voice + better.b.next_voice;
  better.AddToBoth(1);
  better.Run(kSecond);
  CHECK(better.a.switches == 1 && better.b.switches == 1);
  CHECK(better.a.voice_datagrams + better.b.voice_datagrams ==
        better.a.next_voice + better.b.next_voice - before);
}

TEST("where the peer is expected and does not answer, a few packets go") {
  PathWorld world(Case{30 * kMillisecond, false, true});
  world.AddWire(At(1), At(9), 30 * kMillisecond);
  size_t other = world.AddWire(At(2), At(9), 30 * kMillisecond);
  world.Begin(0);
  world.Run(3 * kSecond);
  world.Kill(0);
  world.Kill(other);
  world.Measure();
  uint64_t before = world.b.next_voice;
  for (int i = 0; i < 5; i++) {
    world.b.paths.Add(world.wires[other].of_b, kDirectPreference, world.now, true);
    world.Run(100 * kMillisecond);
  }
  uint64_t copies = world.b.voice_datagrams - (world.b.next_voice - before);
  CHECK(copies > 2 && copies * kVoiceDatagram <= 1'500);
  CHECK(*world.b.paths.active() == world.wires[0].of_b);
}

TEST("the only path dies: each end is told once that it hears nothing, also the one that sends nothing") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    world.AddWire(At(1), At(9), c.delay);
    world.Begin(0);
    world.Run(3 * kSecond);
    CHECK(world.a.unheard == 0 && world.b.unheard == 0);
    world.Kill(0);
    world.Run(5 * kSecond);
    CHECK(world.a.unheard == 1 && world.b.unheard == 1);
    CHECK(world.a.no_path == (c.a_speaks ? 1 : 0) && world.b.no_path == (c.b_speaks ? 1 : 0));
  });
}

TEST("the way out of the only path is gone and its address stays: whoever sends has no path at once") {
  for (bool present : {true, false}) {
    for (bool speaks : {true, false}) {
      PathWorld world;
      world.AddWire(At(1), At(9), kMillisecond);
      world.a.speaks = speaks;
      world.Begin(0);
      world.Run(3 * kSecond);
      world.a.paths.Lose([](const Path&) { return false; }, [present](const Path&) { return present; },
                         world.now);
      CHECK(world.a.paths.TakeNoPath() == (present && speaks));
    }
  }
}

TEST("the kernel's choice is a path that is known already: there is one entry for it") {
  PathWorld world;
  world.AddWire(At(1), At(9), kMillisecond);
  world.a.paths.Select({{}, At(9)}, PathSet::kUnknownPreference, world.now);
  world.b.paths.Select(world.wires[0].of_b, kDirectPreference, world.now);
  world.a.paths.Select(world.wires[0].of_a, kDirectPreference, world.now);
  world.Run(2 * kSecond);
  CHECK(world.a.paths.entries().size() == 1 && *world.a.paths.active() == world.wires[0].of_a);
}

TEST(
    "whoever is heard no more is sent all twice while that is looked into: 120 ms and a round trip of "
    "silence") {
  // Lost is what leaves from now on, or what is under way to A as well.
  for (int direction : {-1, 0, 1}) {
    for (Nanoseconds phase = 0; phase < kVoice; phase += 3 * kMillisecond) {
      ForEachCase([&](const Case& c) {
        PathWorld world(c);
        size_t other = TwoUplinks(&world, c.delay);
        world.Run(3 * kSecond + phase);
        world.Measure();
        if (direction < 0) {
          world.Kill(0);
        } else {
          world.wires[0].dead[direction] = true;
        }
        world.Run(5 * kSecond);
        Nanoseconds bound = 120 * kMillisecond + 2 * c.delay;
        if (c.a_speaks) CHECK(world.b.longest <= bound);
        if (c.b_speaks) CHECK(world.a.longest <= bound);
        if (c.a_speaks && direction != 1) CHECK(*world.a.paths.active() == world.wires[other].of_a);
        if (c.b_speaks && direction != 0) CHECK(*world.b.paths.active() == world.wires[other].of_b);
      });
    }
  }
}

TEST(
    "one end pauses again and again: of the other's packets a round trip's worth goes twice, of its own "
    "none") {
  for (Nanoseconds delay : {Nanoseconds{50'000}, 30 * kMillisecond}) {
    PathWorld world({delay, true, true});
    TwoUplinks(&world, delay);
    world.Run(3 * kSecond);
    world.Measure();
    uint64_t own = world.a.next_voice;
    uint64_t others = world.b.next_voice;
    constexpr int kPauses = 20;
    for (int i = 0; i < kPauses; i++) {
      world.a.speaks = false;
      world.Run(400 * kMillisecond);
      world.a.speaks = true;
      world.a.speaks_at = world.now;
      world.Run(700 * kMillisecond);
    }
    CHECK(world.a.switches == 0 && world.b.switches == 0);
    CHECK(world.a.voice_datagrams == world.a.next_voice - own);
    auto twice = static_cast<Nanoseconds>(world.b.voice_datagrams - (world.b.next_voice - others));
    CHECK(twice <= kPauses * (2 * delay / kVoice + 1));
  }
}

TEST("the peer says that it hears nothing, and then the path is gone: there is nothing to wait for") {
  PathWorld world({kMillisecond, true, false});
  uint8_t hit[16] = {0x20, 0x01, 0x00, 0x22};
  IpAddress relay = IpAddress::FromV6(hit);
  world.wires.push_back({{relay, {relay, 1}}, {relay, {relay, 2}}, kMillisecond, {false, false}, 0});
  world.Begin(0, PathSet::kHopPreference);
  world.Run(3 * kSecond);
  Path used = *world.a.paths.active();
  std::array<uint8_t, PathSet::kRecordBytes> hears_nothing{kPathProbe, 0x04};
  world.a.paths.Probed(used, hears_nothing.data(), world.now);
  world.a.paths.Lose([](const Path&) { return false; }, Gone, world.now);
  Nanoseconds next = world.a.paths.NextTimeout();
  CHECK(world.a.paths.active() == nullptr && next > world.now && next < kNever);
  world.a.paths.HandleTimeout(next);
  CHECK(world.a.paths.NextTimeout() == kNever);
}

TEST(
    "the peer speaks from elsewhere: it is sent all there too at once, three times as much as came, until it "
    "answers") {
  PathWorld world({30 * kMillisecond, true, true});
  world.AddWire(At(1), At(9), 30 * kMillisecond);
  world.Begin(0);
  world.Run(3 * kSecond);
  world.Measure();
  world.wires.clear();
  world.AddWire(At(5), At(9), 30 * kMillisecond);
  world.a.paths.Lose([](const Path& path) { return path.local.unset(); }, Gone, world.now);
  world.Run(kSecond);
  CHECK(world.a.longest <= 2 * kVoice + 2 * 30 * kMillisecond);

  PathSet paths(true, kProbeDatagram);
  Nanoseconds now = kSecond;
  paths.Select({At(9).address, At(1)}, kDirectPreference, now);
  Path forged{At(9).address, At(20)};
  paths.Heard(forged, kVoiceDatagram, true, true, now);
  size_t sent_bytes = kProbeDatagram;
  for (; paths.SpareFor(kVoiceDatagram) != nullptr; sent_bytes += kVoiceDatagram) {
    CHECK(*paths.SpareFor(kVoiceDatagram) == forged);
    paths.SentTwice(kVoiceDatagram);
  }
  CHECK(sent_bytes > 2 * kVoiceDatagram && sent_bytes + kProbeDatagram <= 3 * kVoiceDatagram);
  // Another challenge has room all the same.
  PathSet::Outgoing out;
  CHECK(paths.Poll(&out) && !paths.Poll(&out));
  paths.HandleTimeout(now + 200 * kMillisecond);
  CHECK(paths.Poll(&out) && out.route == forged && !paths.Poll(&out));
}

TEST("a path dies in one direction only: both ends leave it") {
  for (int direction : {0, 1}) {
    PathWorld world;
    size_t other = TwoUplinks(&world, 10 * kMillisecond);
    world.Run(3 * kSecond);
    world.Measure();
    world.wires[0].dead[direction] = true;
    world.Run(5 * kSecond);
    CHECK(world.a.longest <= 200 * kMillisecond && world.b.longest <= 200 * kMillisecond);
    CHECK(*world.a.paths.active() == world.wires[other].of_a);
    CHECK(*world.b.paths.active() == world.wires[other].of_b);
  }
}

TEST(
    "a stream of the peer stops, and the peer is heard by another path: it is said in time that nothing "
    "comes by the used one") {
  PathWorld world({30 * kMillisecond, true, false});
  size_t other = TwoUplinks(&world, 30 * kMillisecond);
  world.Run(3 * kSecond);
  Nanoseconds last = world.b.heard_at;
  world.Kill(0);
  Nanoseconds asked = kNever;
  for (Nanoseconds now = world.now; now <= last + 200 * kMillisecond && asked == kNever;
       now += kMillisecond) {
    world.b.paths.Heard(world.wires[other].of_b, kProbeDatagram, false, false, now);
    if (world.b.paths.NextTimeout() <= now) world.b.paths.HandleTimeout(now);
    PathSet::Outgoing out;
    while (world.b.paths.Poll(&out)) {
      if (out.route == *world.b.paths.active() && (out.record[1] & 0x04) != 0) asked = now;
    }
  }
  CHECK(asked <= last + 81 * kMillisecond);
}

TEST("nothing is wrong: no switch, no packet twice, few probes; none at all without traffic") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    TwoUplinks(&world, c.delay);
    world.Run(3 * kSecond);
    world.Measure();
    uint64_t before = world.a.next_voice + world.b.next_voice;
    world.Run(10 * kSecond);
    CHECK(world.a.switches == 0 && world.b.switches == 0);
    CHECK(world.a.voice_datagrams + world.b.voice_datagrams ==
          world.a.next_voice + world.b.next_voice - before);
    // One way each 40 ms with an answer; both ways each path's, every five seconds.
    CHECK(world.a.probes + world.b.probes <= (c.a_speaks && c.b_speaks ? 12U : 270U));
    CHECK(world.a.padded_probes + world.b.padded_probes == 0);
    world.a.speaks = world.b.speaks = false;
    world.Run(20 * kSecond);
    world.Measure();
    world.Run(60 * kSecond);
    CHECK(world.a.probes + world.b.probes == 0);
    CHECK(world.a.paths.NextTimeout() == kNever && world.b.paths.NextTimeout() == kNever);
  });
}

TEST("one of ten packets is lost on the only path: nobody is told that there is none, and it stays") {
  PathWorld world;
  world.AddWire(At(1), At(9), 20 * kMillisecond);
  world.wires[0].lose_each = 10;
  world.Begin(0);
  world.Run(60 * kSecond);
  CHECK(world.a.switches == 0 && world.b.switches == 0);
  CHECK(world.a.no_path == 0 && world.b.no_path == 0);
}

TEST("the only path dies: both ends are told once, within a quarter of a second and two round trips") {
  PathWorld world;
  world.AddWire(At(1), At(9), 20 * kMillisecond);
  world.Begin(0);
  world.Run(3 * kSecond);
  world.Measure();
  world.Kill(0);
  world.Run(250 * kMillisecond + 80 * kMillisecond);
  CHECK(world.a.no_path == 1 && world.b.no_path == 1);
  world.Run(10 * kSecond);
  CHECK(world.a.no_path == 1 && world.b.no_path == 1);
  // Probes go on meanwhile, ever more seldom, and find it again.
  CHECK(world.a.probes <= 25);
  world.wires[0].dead[0] = world.wires[0].dead[1] = false;
  world.Run(1'100 * kMillisecond);
  world.Measure();
  world.Run(kSecond);
  CHECK(world.a.longest <= 2 * kVoice && world.b.longest <= 2 * kVoice);
}

TEST("the local address is gone: the other path at once, and the peer follows within a round trip") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    size_t other = TwoUplinks(&world, c.delay);
    world.Run(3 * kSecond);
    world.Measure();
    world.Kill(0);
    world.a.paths.Lose([](const Path& path) { return !(path.local == At(1).address); }, Gone, world.now);
    CHECK(*world.a.paths.active() == world.wires[other].of_a);
    world.Run(5 * kSecond);
    // What A hears: what B had sent by then, is lost; then B hears A's probe.
    if (c.a_speaks) CHECK(world.b.longest <= 2 * kVoice + 2 * c.delay);
    if (c.b_speaks) CHECK(world.a.longest <= 2 * kVoice + 2 * c.delay);
    CHECK(*world.b.paths.active() == world.wires[other].of_b);
  });
}

// A direct path, and a way through a relay whose links both ends keep.
size_t DirectAndHop(PathWorld* world, Nanoseconds delay) {
  world->AddWire(At(1), At(9), delay);
  uint8_t hit[16] = {0x20, 0x01, 0x00, 0x22};
  auto member = [&](uint8_t number) {
    hit[15] = number;
    return IpAddress::FromV6(hit);
  };
  IpAddress relay = member(1);
  world->wires.push_back({{relay, {member(3), 0}}, {relay, {member(2), 0}}, delay, {false, false}, 0});
  world->Begin(0);
  world->AddToBoth(1, PathSet::kHopPreference);
  return 1;
}

TEST("the only address is gone, a relay stands by: by it at once, both ways, and directly when that works") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    size_t hop = DirectAndHop(&world, c.delay);
    world.Run(3 * kSecond);
    world.Measure();
    world.Kill(0);
    world.a.paths.Lose([](const Path& path) { return !(path.local == At(1).address); }, Gone, world.now);
    CHECK(*world.a.paths.active() == world.wires[hop].of_a);
    world.Run(2 * kSecond);
    if (c.a_speaks) CHECK(world.b.longest <= 2 * kVoice + 2 * c.delay);
    if (c.b_speaks) CHECK(world.a.longest <= 2 * kVoice + 2 * c.delay);
    CHECK(*world.b.paths.active() == world.wires[hop].of_b);
    // JavaScript finds it, at both ends.
    world.Measure();
    size_t direct = world.AddWire(At(5), At(9), c.delay);
    world.AddToBoth(direct);
    world.Run(5 * kSecond);
    CHECK(*world.a.paths.active() == world.wires[direct].of_a);
    CHECK(*world.b.paths.active() == world.wires[direct].of_b);
    if (c.a_speaks) CHECK(world.b.longest <= 2 * kVoice && world.b.reordered == 0);
    if (c.b_speaks) CHECK(world.a.longest <= 2 * kVoice && world.a.reordered == 0);
  });
}

TEST("the only address is gone, a relay stands by, the peer lets everyone in: directly without being told") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    DirectAndHop(&world, c.delay);
    world.Run(3 * kSecond);
    world.Measure();
    // A is at another address.
    world.wires[0].of_a.local = world.wires[0].of_b.remote.address = At(5).address;
    world.a.paths.Lose([](const Path& path) { return !(path.local == At(1).address); }, Gone, world.now);
    world.Run(5 * kSecond);
    CHECK(*world.a.paths.active() == world.wires[0].of_a);
    CHECK(*world.b.paths.active() == world.wires[0].of_b);
    if (c.a_speaks) CHECK(world.b.longest <= 2 * kVoice + 2 * c.delay);
    if (c.b_speaks) CHECK(world.a.longest <= 2 * kVoice + 2 * c.delay);
  });
}

TEST("the address of a link that carries nothing is gone: its relay is not asked to carry it") {
  PathWorld world;
  world.a.speaks = world.b.speaks = false;
  DirectAndHop(&world, 10 * kMillisecond);
  world.Run(60 * kSecond);
  world.a.paths.Lose([](const Path& path) { return !(path.local == At(1).address); }, Gone, world.now);
  CHECK(world.a.paths.active() != nullptr && !world.a.paths.active()->is_hop());
}

TEST("the only address is gone, a new one is there: sent from it at once, heard there within a round trip") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    world.AddWire(At(1), At(9), c.delay);
    world.Begin(0);
    world.Run(3 * kSecond);
    world.Measure();
    world.wires.clear();
    world.AddWire(At(5), At(9), c.delay);
    world.a.paths.Lose([](const Path& path) { return path.local.unset(); }, Gone, world.now);
    world.Run(5 * kSecond);
    if (c.a_speaks) CHECK(world.b.longest <= 2 * kVoice + 2 * c.delay);
    if (c.b_speaks) CHECK(world.a.longest <= 2 * kVoice + 2 * c.delay);
    // The mover's alone, where nothing else of it says as much.
    CHECK(world.a.padded_probes <= (c.a_speaks ? 0U : 1U) && world.b.padded_probes == 0);
    CHECK(*world.a.paths.active() == world.wires[0].of_a);
    CHECK(*world.b.paths.active() == world.wires[0].of_b);
    CHECK(world.a.switches == 1 && world.b.switches == 1);
  });
}

TEST(
    "an address is gone that the kernel had chosen first: where it sends from now is a guess, of which "
    "nobody is told") {
  PathSet paths(false, kProbeDatagram);
  Nanoseconds now = kSecond;
  Path dialed{{}, At(9)};
  Path found{At(1).address, At(9)};
  paths.Select(dialed, kDirectPreference, now);
  paths.Select(found, kDirectPreference, now + kMillisecond);
  paths.Lose([&](const Path& path) { return !(path == found); }, Gone, now + 2 * kMillisecond);
  CHECK(*paths.active() == dialed);
  CHECK(!paths.TakeSwitched().has_value());
}

TEST("a NAT gives the peer another port, the peer speaks: one challenge, and followed with its answer") {
  for (Nanoseconds delay : {Nanoseconds{50'000}, 30 * kMillisecond}) {
    PathWorld world({delay, true, false});
    world.AddWire(At(1), At(9), delay);
    world.Begin(0);
    world.Run(3 * kSecond);
    world.Measure();
    world.wires[0].of_b.remote.port = 40'000;
    world.Run(kVoice + 3 * delay + kMillisecond);
    CHECK(world.b.paths.active()->remote.port == 40'000);
    CHECK(world.b.probes == 1 && world.b.switches == 1);
  }
}

TEST("a NAT gives the peer another port silently: followed within 200 ms and a round trip") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    world.AddWire(At(1), At(9), c.delay);
    world.Begin(0);
    world.Run(3 * kSecond);
    world.Measure();
    // A sees nothing of it.
    world.wires[0].of_b.remote.port = 40'000;
    world.Run(5 * kSecond);
    if (c.a_speaks) CHECK(world.b.longest <= 2 * kVoice + 2 * c.delay);
    if (c.b_speaks) CHECK(world.a.longest <= 200 * kMillisecond + 2 * c.delay);
    CHECK(world.b.paths.active()->remote.port == 40'000);
  });
}

TEST("JavaScript chooses where the peer was before it was followed: the choice came late, and is not taken") {
  for (Nanoseconds late : {Nanoseconds{0}, 10 * kMillisecond, kSecond}) {
    PathWorld world({15 * kMillisecond, true, true});
    world.AddWire(At(1), At(9), 15 * kMillisecond);
    world.Begin(0);
    world.Run(3 * kSecond);
    Path before = world.wires[0].of_b;
    world.wires[0].of_b.remote.port = 40'000;
    while (!(*world.b.paths.active() == world.wires[0].of_b)) world.Run(kMillisecond);
    world.Run(late);
    world.Measure();
    world.b.paths.Select(before, kDirectPreference, world.now);
    CHECK(world.b.paths.TakeSwitched().has_value());
    world.Run(kSecond);
    CHECK(*world.b.paths.active() == world.wires[0].of_b);
    CHECK(world.a.longest <= kVoice + 15 * kMillisecond);
  }
}

TEST("the better path works again: back to it, after three seconds of proof, and not to and fro") {
  PathWorld world;
  world.AddWire(At(1), At(9), kMillisecond);
  world.AddWire(At(2), At(9), kMillisecond);
  world.Begin(0, 220);
  world.AddToBoth(1, 200);
  world.Run(3 * kSecond);
  world.Kill(0);
  world.Run(5 * kSecond);
  CHECK(*world.a.paths.active() == world.wires[1].of_a);
  world.Measure();
  world.wires[0].dead[0] = world.wires[0].dead[1] = false;
  world.Run(2 * kSecond);
  CHECK(world.a.switches == 0 && world.b.switches == 0);
  world.Run(8 * kSecond);
  CHECK(*world.a.paths.active() == world.wires[0].of_a);
  CHECK(*world.b.paths.active() == world.wires[0].of_b);
  CHECK(world.a.switches <= 1 && world.b.switches <= 1);
  CHECK(world.a.longest <= kVoice && world.b.longest <= kVoice);
  CHECK(world.a.reordered == 0 && world.b.reordered == 0);
}

TEST("a direct path takes over from a relayed one with its first answer, and nothing is lost") {
  PathWorld world;
  world.AddWire(At(1), At(8), 5 * kMillisecond);
  world.AddWire(At(1), At(9), 5 * kMillisecond);
  world.Begin(0, 1);
  world.Run(kSecond);
  world.Measure();
  world.AddToBoth(1, kDirectPreference);
  world.Run(30 * kMillisecond);
  CHECK(*world.a.paths.active() == world.wires[1].of_a);
  CHECK(*world.b.paths.active() == world.wires[1].of_b);
  world.Run(kSecond);
  CHECK(world.a.longest <= kVoice && world.b.longest <= kVoice);
}

TEST(
    "records that were copied from elsewhere move nothing: their sender cannot answer, and gets three times "
    "as much") {
  PathSet paths(true, kProbeDatagram);
  Nanoseconds now = kSecond;
  Path used{At(9).address, At(1)};
  paths.Select(used, kDirectPreference, now);
  size_t sent_bytes = 0;
  for (uint16_t i = 0; i < 1'000; i++) {
    now += 10 * kMillisecond;
    // Twelve victims in turn.
    paths.Heard({At(9).address, At(static_cast<uint8_t>(20 + i % 12))}, kProbeDatagram, true, true, now);
    while (paths.NextTimeout() <= now) paths.HandleTimeout(now);
    PathSet::Outgoing out;
    while (paths.Poll(&out)) sent_bytes += kProbeDatagram;
    CHECK(paths.entries().size() <= 8);
  }
  CHECK(*paths.active() == used);
  CHECK(sent_bytes <= 3 * 1'000 * kProbeDatagram);
}

TEST(
    "a relayed path is chosen while a direct one has just worked: it is used at once where that is dead, "
    "also "
    "without traffic") {
  for (bool dead : {true, false}) {
    PathWorld world;
    size_t direct = world.AddWire(At(1), At(2), kMillisecond);
    size_t relayed = world.AddWire(At(3), At(4), 2 * kMillisecond);
    world.Begin(direct);
    world.Run(3 * kSecond);
    world.a.speaks = world.b.speaks = false;
    world.Run(3 * kSecond);
    if (dead) world.Kill(direct);
    world.b.paths.Select(world.wires[relayed].of_b, 32, world.now);
    world.Run(400 * kMillisecond);
    CHECK(*world.b.paths.active() == world.wires[dead ? relayed : direct].of_b);
    // And then it is quiet again.
    world.Run(5 * kSecond);
    CHECK(*world.b.paths.active() == world.wires[dead ? relayed : direct].of_b);
    world.Measure();
    world.Run(60 * kSecond);
    CHECK(world.a.probes + world.b.probes == 0);
  }
}

TEST("a worse path is added to a link that carries nothing: the one in use is left for it where it is dead") {
  for (bool dead : {true, false}) {
    PathWorld world;
    size_t direct = world.AddWire(At(1), At(2), kMillisecond);
    size_t relayed = world.AddWire(At(3), At(4), 2 * kMillisecond);
    world.a.speaks = world.b.speaks = false;
    world.Begin(direct);
    world.Run(30 * kSecond);
    if (dead) world.Kill(direct);
    for (int i = 0; i < 2; i++) {
      world.a.paths.Add(world.wires[relayed].of_a, 16, world.now);
      world.Run(1500 * kMillisecond);
    }
    CHECK(*world.a.paths.active() == world.wires[dead ? relayed : direct].of_a);
  }
}

TEST("an answer that was made up, or is for another path, proves nothing") {
  PathSet paths(false, kProbeDatagram);
  Nanoseconds now = kSecond;
  Path used{At(1).address, At(9)};
  Path other{At(2).address, At(9)};
  paths.Select(used, kDirectPreference, now);
  paths.Add(other, kDirectPreference, now);
  PathSet::Outgoing out;
  CHECK(paths.Poll(&out) && out.route == other);
  std::array<uint8_t, PathSet::kRecordBytes> answer = out.record;
  answer[0] = kPathProbeAnswer;
  auto wrong = answer;
  wrong[5] ^= 1;
  paths.Answered(other, wrong.data(), now);
  paths.Answered({At(3).address, At(9)}, answer.data(), now);
  const PathSet::Entry& entry = paths.entries()[1];
  CHECK(entry.route == other && entry.state == PathSet::State::kCandidate);
  paths.Answered(other, answer.data(), now + kMillisecond);
  CHECK(entry.state == PathSet::State::kValid && entry.answers_in_row == 1);
  paths.Answered(other, answer.data(), now + kMillisecond);
  CHECK(entry.answers_in_row == 1);
}

TEST("loss is what the peer has not counted") {
  PathWorld world;
  world.AddWire(At(1), At(9), 5 * kMillisecond);
  world.Begin(0);
  world.b.speaks = false;
  world.wires[0].lose_each = 5;
  world.Run(30 * kSecond);
  float loss = world.a.paths.entries()[0].loss;
  CHECK(loss > 0.1F && loss < 0.35F);
}

}  // namespace idloc::test
