#include "property/properties.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  idloc::test::Source source(data, size);
  idloc::test::TellsWhatStreamsSpeak(source);
  return 0;
}
