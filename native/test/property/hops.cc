#include <iterator>

#include "property/properties.h"
#include "support/hop_scene.h"

namespace idloc::test {

void SurvivesHops(Source& source) {
  HopScene s;
  Linked link = s.Link();
  for (size_t i = source.Between(1, 40); i > 0; i--) {
    IpAddress other = source.OneIn(4) ? IpAddress{} : source.OneIn(2) ? s.b.hit() : s.relay.hit();
    if (source.OneIn(4)) other = s.a.hit();
    Bytes datagram = source.Take(source.Below(200));
    constexpr uint8_t kKinds[] = {0, 1, 20, 21, 22, 23, 25, 'd', 0x40, 0xff};
    if (!datagram.empty()) datagram[0] = kKinds[source.Below(std::size(kKinds))];
    if (datagram.size() > 2 && source.OneIn(2)) datagram[1] = 0xfe;
    s.Say(source.OneIn(2) ? kHopTo : kHopFrom, other, datagram);
    for (DataPlaneTester* host : {&s.a, &s.b, &s.relay}) {
      for (const Event& event : host->TakeEvents())
        CHECK(event.type == EventType::kStun || event.type == EventType::kUnknown);
    }
  }
  CHECK(s.b.FindLink(link.b)->connected);
  s.a.Run(SendRecord{link.a, {0x80, 1}});
  s.Carry();
  CHECK(CountOf(s.b.TakeEvents(), EventType::kRecord) == 1);
}

}  // namespace idloc::test
