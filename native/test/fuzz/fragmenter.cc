#include "property/properties.h"

// The first byte chooses the property.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  idloc::test::Source source(data + 1, size - 1);
  switch (data[0]) {
    case 0:
      idloc::test::FragmentsComeTogetherAgain(source);
      break;
    case 1:
      idloc::test::SegmentsNoLargerThanTold(source);
      break;
    default:
      idloc::test::FragmentsWhateverItIs(source);
  }
  return 0;
}
