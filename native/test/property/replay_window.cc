#include "link/replay_window.h"

#include <set>

#include "property/properties.h"
#include "support/check.h"

namespace idloc::test {

// RFC 6347 s4.1.2.6.
void RemembersWhatWasSeen(Source& source) {
  constexpr uint64_t kWidth = 8192;
  constexpr uint64_t kLast = (uint64_t{1} << 48) - 1;
  ReplayWindow window;
  std::set<uint64_t> seen;
  uint64_t newest = 0;
  // As most links are: numbers from the first on, of which few are missing at a time.
  bool calm = source.OneIn(2);
  uint64_t base = calm ? source.Below(8) : source.OneIn(4) ? source.U64() & kLast : source.Below(5000);
  size_t rounds = source.Between(1, 500);
  for (size_t round = 0; round < rounds; round++) {
    uint64_t number = base;
    switch (source.Byte() % 8) {
      case 0:  // around the edge of the window
        number = newest - kWidth + source.Below(4);
        break;
      case 1:  // one that came already, or a neighbour
        number = newest - source.Below(256);
        break;
      case 2:  // far ahead, whole words of the window and beyond
        number = newest + source.Below(calm ? 6 : 3 * kWidth);
        break;
      case 3:
        number = calm ? newest - source.Below(16) : newest + 64 * source.Below(200);
        break;
      case 4:
        number = newest - source.Below(kWidth + 64);
        break;
      case 5:
        number = source.OneIn(calm ? 200 : 16) ? source.U64() & kLast : newest + 1;
        break;
      default:
        number = newest + 1;
        break;
    }
    // Below 0 or above 48 bits: no such number.
    if (number > kLast) continue;
    bool any = !seen.empty();
    bool too_old = any && number < newest && newest - number >= kWidth;
    bool fresh = !too_old && !seen.contains(number);
    CHECK(window.MayAccept(number) == fresh);
    // Not every record that may come is authentic.
    if (!fresh || source.OneIn(8)) continue;
    window.Mark(number);
    seen.insert(number);
    if (!any || number > newest) newest = number;
    CHECK(!window.MayAccept(number));
  }
}

}  // namespace idloc::test
