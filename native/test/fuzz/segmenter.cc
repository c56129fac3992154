#include "property/properties.h"

// The first byte chooses the property.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  idloc::test::Source source(data + 1, size - 1);
  if (data[0] == 0) {
    idloc::test::SegmentsAsACardWould(source);
  } else {
    idloc::test::SegmentsWhateverItIs(source);
  }
  return 0;
}
