// Which of two paths is used where one goes by a better uplink of its end.
#include <initializer_list>

#include "support/path_world.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

// As when the routes of the host have changed and no address is gone.
void Prefer(PathSet* paths, LocalRanks* ranks, std::initializer_list<uint8_t> hosts, Nanoseconds now) {
  ranks->Clear();
  uint8_t rank = 0;
  for (uint8_t host : hosts) ranks->Set(At(host).address, rank++);
  paths->Lose([](const Path&) { return true; }, Gone, now);
}

}  // namespace

TEST("a better uplink comes up: both directions are on it within two round trips, and nothing is lost") {
  ForEachCase([](const Case& c) {
    PathWorld world(c);
    size_t other = world.AddWire(At(2), At(9), c.delay);
    size_t before = world.AddWire(At(1), At(9), c.delay);
    world.Begin(before);
    world.Run(2 * kSecond);
    world.Measure();
    Prefer(&world.a.paths, &world.a.ranks, {2, 1}, world.now);
    world.AddToBoth(other);
    world.Run(4 * c.delay + 60 * kMillisecond);
    CHECK(*world.a.paths.active() == world.wires[other].of_a);
    CHECK(*world.b.paths.active() == world.wires[other].of_b);
    world.a.paths.Lose([](const Path& path) { return !(path.local == At(1).address); }, Gone, world.now);
    world.Kill(before);
    world.Run(3 * kSecond);
    CHECK(world.a.switches <= 1 && world.b.switches <= 1);
    for (const End* end : {&world.a, &world.b}) {
      bool is_spoken_to = end == &world.a ? c.b_speaks : c.a_speaks;
      if (is_spoken_to) CHECK(end->longest <= kVoice && end->reordered == 0);
    }
  });
}

TEST("of two uplinks that both work the other one becomes the better: it is used at once") {
  PathWorld world;
  size_t other = TwoUplinks(&world, 5 * kMillisecond);
  Prefer(&world.a.paths, &world.a.ranks, {1, 2}, world.now);
  world.Run(3 * kSecond);
  CHECK(*world.a.paths.active() == world.wires[0].of_a);
  world.Measure();
  Prefer(&world.a.paths, &world.a.ranks, {2, 1}, world.now);
  world.Run(100 * kMillisecond);
  CHECK(*world.a.paths.active() == world.wires[other].of_a);
  CHECK(*world.b.paths.active() == world.wires[other].of_b);
  world.Run(5 * kSecond);
  CHECK(world.a.switches == 1 && world.b.switches == 1);
  CHECK(world.a.longest <= kVoice && world.b.longest <= kVoice);
}

TEST("the better uplink fails and comes back: back to it after three seconds of proof, and not to and fro") {
  PathWorld world;
  TwoUplinks(&world, kMillisecond);
  Prefer(&world.a.paths, &world.a.ranks, {1, 2}, world.now);
  world.Run(3 * kSecond);
  world.Kill(0);
  world.Run(2 * kSecond);
  CHECK(*world.a.paths.active() == world.wires[1].of_a);
  world.wires[0].dead[0] = world.wires[0].dead[1] = false;
  world.Measure();
  world.Run(kSecond);
  CHECK(world.a.switches == 0);
  world.Run(9 * kSecond);
  CHECK(*world.a.paths.active() == world.wires[0].of_a && *world.b.paths.active() == world.wires[0].of_b);
  CHECK(world.a.switches == 1 && world.b.switches == 1);
  CHECK(world.a.longest <= kVoice && world.b.longest <= kVoice);
}

TEST("both ends have two uplinks: they come to agree on the better one of each, and stay there") {
  for (Nanoseconds delay : {Nanoseconds{50'000}, 30 * kMillisecond}) {
    PathWorld world;
    // The worst pair is in use; 1 and 8 are the better ones.
    for (uint8_t host : {2, 1}) {
      for (uint8_t peer : {9, 8}) world.AddWire(At(host), At(peer), delay);
    }
    world.Begin(0);
    for (size_t i = 1; i < world.wires.size(); i++) world.AddToBoth(i);
    world.Run(2 * kSecond);
    Prefer(&world.a.paths, &world.a.ranks, {1, 2}, world.now);
    Prefer(&world.b.paths, &world.b.ranks, {8, 9}, world.now);
    world.Run(20 * kSecond);
    CHECK(*world.a.paths.active() == world.wires[3].of_a);
    CHECK(*world.b.paths.active() == world.wires[3].of_b);
    world.Measure();
    world.Run(10 * kSecond);
    CHECK(world.a.switches == 0 && world.b.switches == 0);
  }
}

TEST("both ends have a better uplink, and no path has both: they agree on one of them, and stay there") {
  for (Nanoseconds delay : {Nanoseconds{50'000}, 30 * kMillisecond}) {
    PathWorld world;
    world.AddWire(At(2), At(9), delay);
    world.AddWire(At(1), At(9), delay);
    world.AddWire(At(2), At(8), delay);
    world.Begin(0);
    for (size_t i = 1; i < world.wires.size(); i++) world.AddToBoth(i);
    world.Run(2 * kSecond);
    Prefer(&world.a.paths, &world.a.ranks, {1, 2}, world.now);
    Prefer(&world.b.paths, &world.b.ranks, {8, 9}, world.now);
    world.Run(10 * kSecond);
    world.Measure();
    world.Run(20 * kSecond);
    CHECK(world.a.switches == 0 && world.b.switches == 0);
    CHECK(world.a.longest <= kVoice && world.b.longest <= kVoice);
  }
}

}  // namespace idloc::test
